package inbound

import (
	"context"
	"crypto"
	"encoding/base64"
	"flag"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/tools/txtar"

	"posthorn/internal/addr"
	"posthorn/internal/dkim"
	"posthorn/internal/dns/dnstest"
	"posthorn/internal/store"
)

var update = flag.Bool("update", false, "rewrite the results in testdata/authenticate that do not hold")

// letterTo is a message from outside, and all that is told of it besides its text.
type letterTo struct {
	ip, helo, from string
	sign           []string // "SELECTOR DOMAIN [form]": by which the test signs it
	zone, text     string
}

// parseLetter reads a case: lines of what is told, then the files "zone", "message"
// and "results".
func parseLetter(t *testing.T, archive *txtar.Archive) (l letterTo, results string) {
	l = letterTo{ip: "192.0.2.1", helo: "mx.remote.test"}
	for line := range strings.Lines(string(archive.Comment)) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "", "#":
		case "ip":
			l.ip = rest
		case "helo":
			l.helo = rest
		case "from":
			l.from = rest
		case "sign":
			l.sign = append(l.sign, rest)
		default:
			t.Fatalf("what does %q mean?", line)
		}
	}
	for _, f := range archive.Files {
		text := strings.ReplaceAll(string(f.Data), "\n", "\r\n")
		switch f.Name {
		case "zone":
			l.zone = string(f.Data)
		case "message":
			l.text = text
		case "results":
			results = text
		}
	}
	return l, results
}

// testKeys are the keys that messages are signed with: "rsa" in a selector says which.
var testKeys = sync.OnceValue(func() map[string]crypto.Signer {
	keys := map[string]crypto.Signer{}
	for _, a := range dkim.Algorithms() {
		key, err := dkim.GenerateKey(a)
		if err != nil {
			panic(err)
		}
		keys[string(a)] = key
	}
	return keys
})

// published puts the records of the keys into a zone, where it says {rsa} and {ed25519}.
func published(t testing.TB, zone string) string {
	for name, key := range testKeys() {
		record, err := dkim.PublicRecord(key)
		if err != nil {
			t.Fatal(err)
		}
		text := base64.StdEncoding.EncodeToString(record.Public)
		zone = strings.ReplaceAll(zone, "{"+name+"}", text[:len(text)/2]+`" "`+text[len(text)/2:])
	}
	return zone
}

// signed signs the text, the last signature on top.
func (l *letterTo) signed(t testing.TB) string {
	text := l.text
	for _, how := range l.sign {
		selector, domain, _ := strings.Cut(how, " ")
		kind := "ed25519"
		if strings.Contains(selector, "rsa") {
			kind = "rsa"
		}
		d := dkim.NewDigest()
		d.Write([]byte(text))
		field, err := d.Sign(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), dkim.Key{
			Domain: domain, Selector: selector, Algorithm: dkim.Algorithm(kind), Private: testKeys()[kind],
		})
		if err != nil {
			t.Fatal(err)
		}
		text = string(field) + text
	}
	return text
}

// receive sends a message from outside to alice.
func (h *house) receive(ctx context.Context, l *letterTo, text string, chunk int) (*Content, error) {
	s := h.acceptor.NewSession(Peer{Role: MX, Remote: netip.MustParseAddr(l.ip), Log: slog.New(slog.DiscardHandler)})
	defer s.Close()
	if err := s.Hello(ctx, l.helo, true); err != nil {
		return nil, err
	}
	var from addr.Address
	if l.from != "" {
		var err error
		if from, err = addr.Parse(l.from); err != nil {
			return nil, err
		}
	}
	tx, err := s.Mail(ctx, from, MailParams{})
	if err == nil {
		err = tx.Rcpt(ctx, at("alice", "example.test"), RcptParams{})
	}
	if err != nil {
		return nil, err
	}
	content := tx.Receive(ctx)
	for p := []byte(text); len(p) > 0; p = p[min(chunk, len(p)):] {
		if _, err := content.Write(p[:min(chunk, len(p))]); err != nil {
			content.Abort(ctx, err)
			return content, err
		}
	}
	_, err = content.Commit(ctx, LineEnds{})
	return content, err
}

// last is the last message in alice's INBOX; nil if there is none.
func (h *house) last(t testing.TB) []byte {
	t.Helper()
	account := h.store.Account(h.accounts["alice"])
	snap, err := account.Snapshot(t.Context(), store.InboxID)
	if err != nil {
		t.Fatal(err)
	}
	if snap.Len() == 0 {
		return nil
	}
	body, err := account.Body(t.Context(), snap, snap.At(snap.Len()).UID)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// split takes the trace off a message: its results, and what came from the client.
func split(t testing.TB, text string) (results, rest string) {
	t.Helper()
	path, text, ok := strings.Cut(text, "\r\n")
	if !ok || !strings.HasPrefix(path, "Return-Path: <") {
		t.Fatalf("the message begins with %q", path)
	}
	at := strings.Index(text, "Received: from ")
	results, text = text[:at], text[at:]
	for { // the rest of Received
		line, rest, _ := strings.Cut(text, "\r\n")
		if text = rest; strings.Contains(line, ", ") && line[0] == '\t' {
			return results, text
		}
	}
}

// Every file of testdata/authenticate is a message, what the DNS knows, and the
// results that are written. Beyond them the message is what it was, to the byte,
// without the fields that its text marks with "forged".
func TestAuthenticate(t *testing.T) {
	files, err := filepath.Glob("testdata/authenticate/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			l, want := parseLetter(t, archive)
			for _, chunk := range []int{1, 100, 1 << 20} {
				synctest.Test(t, func(t *testing.T) {
					got := checked(t, l, chunk)
					if got == want {
						return
					}
					if *update {
						i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "results" })
						archive.Files[i].Data = []byte(strings.ReplaceAll(got, "\r\n", "\n"))
						if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
							t.Fatal(err)
						}
					}
					t.Errorf("in pieces of %d:\n%swant\n%s", chunk, got, want)
				})
			}
		})
	}
}

// checked receives a message and gives the results written on it.
func checked(t *testing.T, l letterTo, chunk int) string {
	h := newHouse(t)
	h.acceptor.o.Resolver = dnstest.New(t, published(t, l.zone)).Resolver()
	text := l.signed(t)
	began := time.Now()
	if _, err := h.receive(t.Context(), &l, text, chunk); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > checkTime {
		t.Errorf("it took %v", took)
	}
	results, rest := split(t, string(h.last(t)))
	if want := withoutForged(text); rest != want {
		t.Errorf("the message is\n%q, want\n%q", rest, want)
	}
	return blankSignatures(results)
}

// withoutForged takes the fields out that the text marks.
func withoutForged(text string) string {
	for {
		at := strings.Index(text, "forged")
		if at < 0 {
			return text
		}
		begin := strings.LastIndex(strings.ToLower(text[:at]), "\r\nauthentication-results") + 2
		if begin == 1 {
			begin = 0
		}
		end := at
		for {
			end += strings.Index(text[end:], "\r\n") + 2
			if text[end] != ' ' && text[end] != '\t' {
				break
			}
		}
		text = text[:begin] + text[end:]
	}
}

// blankSignatures makes results the same for every signature.
func blankSignatures(results string) string {
	return regexp.MustCompile(`header\.b=("(\\.|[^"\\])*"|[^ ;\r]*)`).ReplaceAllString(results, "header.b=...")
}
