package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"posthorn/internal/smtpclient/smtptest"
)

// runningServer starts a server whose mail for others stays in the queue.
func runningServer(t *testing.T, s *script) (file string) {
	t.Helper()
	file = newServer(t, s)
	t.Setenv("POSTHORN_CONFIG", file)
	addConfig(t, file, "[[route]]\ndomains = [\"*\"]\nhosts = [\"127.0.0.1:1\"]\n")
	server := runInBackground(t, "serve")
	server.log.waitFor(t, `"msg":"ready"`, 1)
	return file
}

func addConfig(t *testing.T, file, text string) {
	t.Helper()
	old, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, append(old, "\n"+text...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestSendmail(t *testing.T) {
	s := newScript(t)
	runningServer(t, s)
	got := s.play(read(t, "sendmail.txt"))
	got = regexp.MustCompile(`(?m)^[0-9a-v]{16} .*$`).ReplaceAllString(got, "QUEUED")
	got = regexp.MustCompile(`(?m)^ID +SINCE .*$`).ReplaceAllString(got, "HEADING")
	golden(t, "sendmail.txt", got)
}

// Without a server nothing is sent, and the caller knows.
func TestSendmailWithoutServer(t *testing.T) {
	s := newScript(t)
	t.Setenv("POSTHORN_CONFIG", newServer(t, s))
	got := s.play("< hello\n$ posthorn sendmail alice@example.test\n")
	if !strings.Contains(got, "sendmail: no server listens on DIR/mail/data/control.sock; nothing was sent, try again when it runs\nexit 75\n") {
		t.Error(got)
	}
	t.Setenv("POSTHORN_SUBMIT", "127.0.0.1:1")
	if got := s.play("< hello\n$ posthorn sendmail alice@example.test\n"); !strings.Contains(got, "nothing was sent") || !strings.Contains(got, "\nexit 75\n") {
		t.Error(got)
	}
}

// Who may not open the socket, or does not want to, talks to a server by SMTP; what
// arrives there is whole.
func TestSendmailOverSMTP(t *testing.T) {
	remote := smtptest.New(t, "RCPT nobody: 550 5.1.1 Nobody of that name\nRCPT later: 450 4.2.0 Later")
	address := remote.Listen("127.0.0.1:0").String()
	for _, tc := range []struct {
		args, in, mail, rcpt, want, says string
		code                             int
	}{
		{
			"-t -i -f alice@example.test", "To: bob@example.org\nBcc: carol@example.org\nDate: now\nMessage-ID: <1@x>\n\nhi\n.\nthere",
			"FROM:<alice@example.test>", "TO:<bob@example.org> TO:<carol@example.org>",
			"From: <alice@example.test>\r\nTo: bob@example.org\r\nDate: now\r\nMessage-ID: <1@x>\r\n\r\nhi\r\n.\r\nthere\r\n", "", exitDone,
		},
		{
			"-f <> -N never bob@example.org", "From: x@y\nDate: now\nMessage-ID: <1@x>\n\nhi\n.\nnot this\n",
			"FROM:<>", "TO:<bob@example.org>", "From: x@y\r\nDate: now\r\nMessage-ID: <1@x>\r\n\r\nhi\r\n", "", exitDone,
		},
		{
			`-F Jörg -f joerg@example.test bob@example.org`, "Date: now\nMessage-ID: <1@x>\nno header",
			"FROM:<joerg@example.test>", "TO:<bob@example.org>",
			"From: =?utf-8?q?J=C3=B6rg?= <joerg@example.test>\r\nDate: now\r\nMessage-ID: <1@x>\r\n\r\nno header\r\n", "", exitDone,
		},
		{"-f a@example.test nobody@example.org", "hello\n", "", "", "", "550 5.1.1 Nobody of that name\n", exNoUser},
		{"-f a@example.test later@example.org", "hello\n", "", "", "", "450 4.2.0 Later\n", exTemporary},
	} {
		before := len(remote.Messages())
		var out bytes.Buffer
		args := append([]string{"sendmail", "--submit", address}, strings.Fields(tc.args)...)
		code := Run(t.Context(), args, Streams{In: strings.NewReader(tc.in), Out: &out, Err: &out})
		if code != tc.code || !strings.HasSuffix(out.String(), tc.says) || tc.says == "" && out.Len() > 0 {
			t.Errorf("%s: exit %d: %q", tc.args, code, &out)
		}
		if tc.want == "" {
			if len(remote.Messages()) != before {
				t.Errorf("%s: a message is taken", tc.args)
			}
			continue
		}
		m := remote.Messages()[len(remote.Messages())-1]
		if mail, _, _ := strings.Cut(m.Mail, " "); mail != tc.mail || strings.Join(m.Rcpt, " ") != tc.rcpt || m.Data != tc.want {
			t.Errorf("%s: %s %s\n%q, want\n%q", tc.args, m.Mail, m.Rcpt, m.Data, tc.want)
		}
	}
}

func TestArguments(t *testing.T) {
	t.Setenv("POSTHORN_CONFIG", "")
	for called, want := range map[string]string{
		"":                              "",
		"posthorn version":              "version",
		"/usr/bin/posthorn sendmail -t": "sendmail -t",
		"/usr/sbin/sendmail -t -i":      "--config /etc/posthorn/posthorn.toml sendmail -t -i",
		"mailq":                         "--config /etc/posthorn/posthorn.toml sendmail -bp",
	} {
		if got := strings.Join(Arguments(strings.Fields(called)), " "); got != want {
			t.Errorf("%s: %s, want %s", called, got, want)
		}
	}
	t.Setenv("POSTHORN_CONFIG", "x.toml")
	if got := Arguments([]string{"sendmail", "-t"}); !reflect.DeepEqual(got, []string{"sendmail", "-t"}) {
		t.Errorf("with POSTHORN_CONFIG: %s", got)
	}
}

func TestSendmailOptions(t *testing.T) {
	null, alice := "", "alice@example.test"
	for line, want := range map[string]sendmailOptions{
		"":                                      {mode: 'm'},
		"-t":                                    {mode: 'm', fromHeader: true},
		"-ti":                                   {mode: 'm', fromHeader: true, ignoreDots: true},
		"-oi -oem -odb -t":                      {mode: 'm', fromHeader: true, ignoreDots: true},
		"-o i -O DeliveryMode=b a":              {mode: 'm', ignoreDots: true, recipients: []string{"a"}},
		"-falice@example.test a b":              {mode: 'm', from: &alice, recipients: []string{"a", "b"}},
		"-r <alice@example.test> a -i":          {mode: 'm', from: &alice, ignoreDots: true, recipients: []string{"a"}},
		"-f <>":                                 {mode: 'm', from: &null},
		"-Froot -BbBITMIME":                     {},
		"-F root -B8BITMIME -N success,delay":   {mode: 'm', name: "root", notify: "success,delay"},
		"-Rhdrs -V abc -X /tmp/log -h 5 -v -Ac": {mode: 'm', returns: "hdrs", envelopeID: "abc"},
		"-bm -- -t":                             {mode: 'm', recipients: []string{"-t"}},
		"-bp":                                   {mode: 'p'},
		"-q":                                    {mode: 'q'},
		"-q30m":                                 {mode: 'q'},
		"-C x.toml --submit=h:25 --help":        {mode: 'm', config: "x.toml", submit: "h:25", help: true},
		"-bd":                                   {},
		"-R some":                               {},
		"-Nx":                                   {},
		"--unknown":                             {},
		"-k":                                    {},
		"-V":                                    {},
	} {
		got, err := parseSendmail(strings.Fields(line))
		switch {
		case want.mode == 0 && err == nil:
			t.Errorf("%s: %+v", line, got)
		case want.mode != 0 && (err != nil || !reflect.DeepEqual(*got, want)):
			t.Errorf("%s: %+v, %v; want %+v", line, got, err, want)
		}
	}
}

func TestLetter(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "A: b\n\ntext\n", "A: b\r\n\r\ntext\r\n"},
		{"CRLF", "A: b\r\n\r\ntext\r\n", "A: b\r\n\r\ntext\r\n"},
		{"old Macs", "A: b\r\rtext\r", "A: b\r\n\r\ntext\r\n"},
		{"mixed", "A: b\n\r\na\rb\r\nc\n\rd", "A: b\r\n\r\na\r\nb\r\nc\r\n\r\nd\r\n"},
		{"no end", "A: b\n\ntext", "A: b\r\n\r\ntext\r\n"},
		{"a dot", "A: b\n\none\n.\ntwo\n", "A: b\r\n\r\none\r\n"},
		{"a dot with CRLF", "A: b\r\n\r\none\r\n.\r\ntwo\r\n", "A: b\r\n\r\none\r\n"},
		{"dots", "A: b\n\n..\n.x\n .\n", "A: b\r\n\r\n..\r\n.x\r\n .\r\n"},
		{"a dot at the end", "A: b\n\none\n.", "A: b\r\n\r\none\r\n"},
		{"no header", "hello\nA: b\n", "\r\nhello\r\nA: b\r\n"},
		{"no blank line", "A: b\nhello\n", "A: b\r\n\r\nhello\r\n"},
		{"nothing", "", "\r\n"},
		{"header only", "A: b\n c\n", "A: b\r\n c\r\n\r\n"},
		{"mailbox file", "From alice Sat Jan  1 00:00:00 2000\nA: b\n\ntext\n", "A: b\r\n\r\ntext\r\n"},
		{"a long line", "A: b\n\n" + strings.Repeat("x", 200_000) + "\n", "A: b\r\n\r\n" + strings.Repeat("x", 200_000) + "\r\n"},
		{"a long line first", strings.Repeat("x", 200_000), "\r\n" + strings.Repeat("x", 200_000) + "\r\n"},
	} {
		for name, in := range map[string]io.Reader{"whole": strings.NewReader(tc.in), "by bytes": iotest.OneByteReader(strings.NewReader(tc.in))} {
			l, err := readLetter(in, true)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(l.reader())
			if err != nil || string(got) != tc.want {
				t.Errorf("%s, %s: %.200q, %v; want %.200q", tc.name, name, got, err, tc.want)
			}
		}
	}
	l, err := readLetter(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("A: b\n\ntext\n"))), true)
	if err == nil {
		_, err = io.Copy(io.Discard, l.reader())
	}
	if err != nil || !errors.Is(l.err, iotest.ErrTimeout) {
		t.Errorf("broken off: %v, %v", err, l.err)
	}
	if _, err := readLetter(strings.NewReader(strings.Repeat("A: b\n", maxLetterHeader/5)), true); err == nil {
		t.Error("a header without end is read")
	}
}

func TestLetterRecipients(t *testing.T) {
	for header, want := range map[string]string{
		"To: a@b.test, \"C, D\" <c@d.test>\nCc: root\nBcc: x@y.test\n":     "a@b.test c@d.test root x@y.test",
		"To: us: a@b.test, c@d.test;, e@f.test\n":                          "a@b.test c@d.test e@f.test",
		"To: undisclosed-recipients:;\nSubject: x\n":                       "",
		"To: a@b.test\nResent-To: c@d.test\nResent-Bcc: e@f.test\nCc: x\n": "c@d.test e@f.test",
		"TO :\n a@b.test,\n\tb@c.test\n":                                   "a@b.test b@c.test",
		"To: \"a b\"@c.test\n":                                             "\"a b\"@c.test",
	} {
		l, err := readLetter(strings.NewReader(header+"\nTo: not@here.test\n"), true)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(l.recipients(), " "); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
		l.removeBcc()
		if strings.Contains(strings.ToLower(string(l.header)), "bcc") {
			t.Errorf("%q: %s", header, l.header)
		}
	}
}

// Under the name of sendmail, the whole program.
func TestCalledAsSendmail(t *testing.T) {
	s := newScript(t)
	runningServer(t, s)
	s.play("< secret\n$ posthorn account add alice@example.test --password-file -\n")
	var out bytes.Buffer
	args := Arguments([]string{filepath.Join("usr", "sbin", "sendmail"), "-f", "alice", "alice"})
	code := Run(t.Context(), args, Streams{In: strings.NewReader("Subject: me\n\nhello\n"), Out: &out, Err: &out})
	if code != exitDone || out.Len() > 0 {
		t.Errorf("exit %d: %s", code, &out)
	}
	if got := s.play("$ posthorn account show alice@example.test\n"); !strings.Contains(got, "INBOX     1") {
		t.Errorf("alice has nothing:\n%s", got)
	}
}
