package peers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"posthorn/test/live"
)

var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "posthorn-peers")
	if err == nil {
		defer os.RemoveAll(dir)
		binary, err = live.Build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// sender delivers a letter to a user; reader gives all messages in a user's INBOX,
// in any order, with CRLF.
type (
	sender func(p *peers, user string, l letter)
	reader func(p *peers, user string) [][]byte
)

// peers is a server, and a folder for what the programs need.
type peers struct {
	*testing.T
	server *live.Server
	dir    string
}

// TestSendAndRead: what any program sends, every other reads as it was sent.
func TestSendAndRead(t *testing.T) {
	senders := map[string]sender{
		"swaks": sendSwaks, "swaks-lmtp": sendSwaksLMTP, "swaks-starttls-auth": sendSwaksSubmission,
		"curl": sendCurl, "smtplib": sendSMTPLib, "msmtp": sendMsmtp, "nodemailer": sendNodemailer,
	}
	readers := map[string]reader{
		"curl-imap": readCurlIMAP, "curl-pop3": readCurlPOP3,
		"imaplib": readIMAPLib, "poplib": readPOPLib, "mbsync": readMbsync,
		"fetchmail-imap": readFetchmailIMAP, "fetchmail-pop3": readFetchmailPOP3, "mutt": readMutt,
	}
	var users []string
	for name := range senders {
		users = append(users, name)
	}
	p := start(t, users...)
	for name, send := range senders {
		t.Run("send/"+name, func(t *testing.T) {
			for _, l := range letters(name) {
				send(p.in(t), name, l)
			}
		})
	}
	if t.Failed() {
		return
	}
	for name, read := range readers {
		for user := range senders {
			t.Run("read/"+name+"/"+user, func(t *testing.T) { compare(t, read(p.in(t), user), letters(user)) })
		}
	}
	p.server.Verify(t)
}

func start(t *testing.T, users ...string) *peers {
	s := live.Install(t, live.Options{Binary: binary, Users: users})
	s.Start(t)
	t.Cleanup(func() { s.Stop(t) })
	return &peers{t, s, t.TempDir()}
}

// in is p within a subtest.
func (p *peers) in(t *testing.T) *peers { return &peers{t, p.server, t.TempDir()} }

// run runs a program and gives its standard output. Programs get a home of their
// own, so that no one's settings matter.
func (p *peers) run(input []byte, name string, args ...string) []byte {
	p.Helper()
	out, err := p.try(input, name, args...)
	if err != nil {
		p.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out
}

func (p *peers) try(input []byte, name string, args ...string) ([]byte, error) {
	p.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		p.Fatalf("%s is not installed. Run: test/deps", name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out, errors bytes.Buffer
	c := exec.CommandContext(ctx, path, args...)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(input), &out, &errors
	c.Env = append(os.Environ(), "HOME="+p.dir, "LC_ALL=C.UTF-8", "TERM=dumb", "SSL_CERT_FILE="+p.certificate())
	if err := c.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%w\n%s%s", err, tail(out.Bytes()), tail(errors.Bytes()))
	}
	return out.Bytes(), nil
}

// tail is the part of a program's output that says what went wrong.
func tail(out []byte) []byte { return out[max(0, len(out)-2000):] }

// certificate is the file that programs are told to trust.
func (p *peers) certificate() string { return filepath.Join(p.server.Dir, "cert.pem") }

// file writes a file that a program reads.
func (p *peers) file(name string, data string, mode os.FileMode) string {
	p.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(data), mode); err != nil {
		p.Fatal(err)
	}
	return path
}

// folder reads all files in a folder.
func (p *peers) folder(pattern string) (all [][]byte) {
	p.Helper()
	names, err := filepath.Glob(filepath.Join(p.dir, pattern))
	if err != nil {
		p.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			p.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

var (
	trace     = regexp.MustCompile(`^(?:(?:Return-Path|Received|Delivered-To):[^\r]*\r\n(?:[ \t][^\r]*\r\n)*)+`)
	messageID = regexp.MustCompile(`(?mi)^Message-ID: (\S+)`)
)

// compare wants every letter exactly once, unchanged below the trace headers.
func compare(t *testing.T, got [][]byte, want []letter) {
	t.Helper()
	byID := map[string][]byte{}
	for _, text := range got {
		id := messageID.FindSubmatch(text)
		if id == nil {
			t.Errorf("a message without Message-ID: %.200q", text)
			continue
		}
		if byID[string(id[1])] != nil {
			t.Errorf("%s is there twice", id[1])
		}
		byID[string(id[1])] = text
	}
	for _, l := range want {
		id := string(messageID.FindSubmatch(l.text)[1])
		text, ok := byID[id]
		if !ok {
			t.Errorf("%s is missing", id)
			continue
		}
		delete(byID, id)
		stripped := trace.ReplaceAll(text, nil)
		if len(stripped) == len(text) {
			t.Errorf("%s: no trace headers", id)
		}
		if !bytes.Equal(stripped, l.text) {
			t.Errorf("%s: changed on its way:\n%s", id, difference(stripped, l.text))
		}
	}
	for id := range byID {
		t.Errorf("%s was never sent", id)
	}
}

// difference shows the first place where two messages differ.
func difference(got, want []byte) string {
	n := 0
	for n < len(got) && n < len(want) && got[n] == want[n] {
		n++
	}
	show := func(text []byte) []byte { return text[max(0, min(n, len(text))-60):min(len(text), n+60)] }
	return fmt.Sprintf("at byte %d of %d, %d sent\n got %q\nwant %q", n, len(got), len(want), show(got), show(want))
}
