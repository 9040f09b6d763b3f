package inbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/dkim"
	"posthorn/internal/dmarc"
	"posthorn/internal/dns"
	"posthorn/internal/dns/dnstest"
	"posthorn/internal/fault"
	"posthorn/internal/spf"
)

const remoteZone = `
remote.test                TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.remote.test         TXT "v=DMARC1; p=reject"
two._domainkey.remote.test TXT "v=DKIM1; k=ed25519; p={ed25519}"`

// dinner is a letter from remote.test with a body of so many bytes, more or less.
func dinner(t testing.TB, size int, sign ...string) (l letterTo, text string) {
	line := strings.Repeat("spam ", 14) + "\r\n"
	l = letterTo{ip: "192.0.2.1", helo: "mx.remote.test", from: "joe@remote.test", sign: sign}
	l.text = "From: joe@remote.test\r\nSubject: dinner\r\n\r\n" + strings.Repeat(line, size/len(line))
	return l, l.signed(t)
}

// remoteHouse is a house whose name servers know remote.test.
func remoteHouse(t *testing.T) *house {
	h := newHouse(t)
	h.acceptor.o.Resolver = dnstest.New(t, published(t, remoteZone)).Resolver()
	h.acceptor.o.TempDir = t.TempDir()
	return h
}

// What was found is among the findings, as plain values.
func TestAuthenticationFindings(t *testing.T) {
	h := remoteHouse(t)
	l, text := dinner(t, 100, "two remote.test")
	c, err := h.receive(t.Context(), &l, text, 1000)
	if err != nil {
		t.Fatal(err)
	}
	a := c.findings.Authentication
	if a == nil || a.SPF.Result != spf.Pass || a.HELO.Result != spf.None || a.Reverse.Result != ReversePermError ||
		len(a.DKIM) != 1 || a.DKIM[0].Result != dkim.Pass || a.DMARC.Result != dmarc.Pass || !a.DMARC.AlignedDKIM || !a.DMARC.AlignedSPF {
		t.Errorf("%+v", a)
	}
}

// Whatever the size, signed or not, the message is what it was, and says what was
// found at its top.
func TestSizes(t *testing.T) {
	h := remoteHouse(t)
	for _, size := range []int{0, 100, holdMemory - 200, holdMemory, holdMemory + 200, 3 * holdMemory} {
		for _, sign := range [][]string{nil, {"two remote.test"}} {
			l, text := dinner(t, size, sign...)
			if _, err := h.receive(t.Context(), &l, text, 33_000); err != nil {
				t.Fatal(err)
			}
			results, rest := split(t, string(h.last(t)))
			if rest != text {
				t.Errorf("%d bytes, signed %v: %d bytes are another message of %d", len(text), sign, len(rest), len(text))
			}
			if want := map[bool]string{true: "dkim=pass", false: "dkim=none"}[sign != nil]; !strings.Contains(results, want) || !strings.Contains(results, "dmarc=pass") {
				t.Errorf("%d bytes, signed %v: %s", len(text), sign, results)
			}
		}
	}
	if left, _ := filepath.Glob(h.acceptor.o.TempDir + "/*"); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

// A signed message of 20 MB lies in a file while it is held back, not in memory.
func TestLargeSigned(t *testing.T) {
	h := remoteHouse(t)
	l, text := dinner(t, 20<<20, "two remote.test")
	s := h.acceptor.NewSession(Peer{Role: MX, Remote: netip.MustParseAddr(l.ip), Log: slog.New(slog.DiscardHandler)})
	defer s.Close()
	tx, err := s.Mail(t.Context(), at("joe", "remote.test"), MailParams{})
	if err == nil {
		err = tx.Rcpt(t.Context(), at("alice", "example.test"), RcptParams{})
	}
	if err != nil {
		t.Fatal(err)
	}
	content := tx.Receive(t.Context())
	before := heap()
	for p := []byte(text); len(p) > 0; p = p[min(1<<16, len(p)):] {
		if _, err := content.Write(p[:min(1<<16, len(p))]); err != nil {
			t.Fatal(err)
		}
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	if f := content.examined.held.file; f == nil {
		t.Error("there is no file")
	} else if _, err := os.Stat(f.Name()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file has a name that a crash would leave: %v", err)
	}
	if _, err := content.Commit(t.Context(), LineEnds{}); err != nil {
		t.Fatal(err)
	}
	if _, rest := split(t, string(h.last(t))); rest != text {
		t.Errorf("%d bytes are another message of %d", len(rest), len(text))
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What goes wrong while a message is held back is said, and nobody has the message.
func TestHoldFaults(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(h *house)
		size  int
		want  fault.Kind
	}{
		{"no place for the file", func(h *house) { h.acceptor.o.TempDir += "/missing" }, 2 * holdMemory, fault.Unavailable},
		{"no room in the store", func(h *house) { h.broken = fault.New(fault.StorageFull, "test: no room") }, 100, fault.StorageFull},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := remoteHouse(t)
			l, text := dinner(t, tc.size, "two remote.test")
			tc.spoil(h)
			_, err := h.receive(t.Context(), &l, text, 1000)
			if h.broken = nil; !fault.Is(err, tc.want) || h.last(t) != nil {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

// A disk that is full when the file is written keeps the message out, and the client
// may try again.
func TestHoldFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	h := hold{file: full}
	if _, err := h.Write([]byte("x")); !fault.Is(err, fault.StorageFull) {
		t.Errorf("a full disk: %v", err)
	}
	h.drop()
	if h.file != nil || h.memory != nil {
		t.Error("something is still held")
	}
}

// What a crash may have left in the directory is removed at the next start.
func TestPrepareTempDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tmp")
	for range 2 {
		if err := PrepareTempDir(dir); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%v, %v", left, err)
		}
		f, err := os.CreateTemp(dir, "message-*")
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

// Limits hold for messages that are held back, too.
func TestHeldLimits(t *testing.T) {
	h := remoteHouse(t)
	h.acceptor.o.Policy.MaxSize = 2 * holdMemory
	l, text := dinner(t, 3*holdMemory, "two remote.test")
	var refusal *Refusal
	if _, err := h.receive(t.Context(), &l, text, 1000); !errors.As(err, &refusal) || refusal.Rule != RuleMessageTooLarge {
		t.Errorf("a message that is too large: %v", err)
	}
	h.acceptor.o.Policy.MaxSize = 0
	l, _ = dinner(t, 100)
	for _, text := range []string{
		strings.Repeat("X: y\r\n", maxHeader/6+1) + l.text,
		"X: " + strings.Repeat("y", maxHeader) + "\r\n" + l.text,
		strings.Repeat("X: y\r\n", maxHeader/6+1) + "no end",
	} {
		if _, err := h.receive(t.Context(), &l, text, 1000); !fault.Is(err, fault.TooLarge) {
			t.Errorf("a header of %d bytes: %v", len(text), err)
		}
	}
	if h.last(t) != nil {
		t.Error("there is a message")
	}
}

// A client that goes away takes all checks with it, at whatever point; the bubble
// would fail if a goroutine went on.
func TestBrokenOff(t *testing.T) {
	zone := strings.NewReplacer("TXT", "!timeout").Replace("remote.test TXT\n_dmarc.remote.test TXT\ntwo._domainkey.remote.test TXT\n" +
		"mx.remote.test TXT\n1.2.0.192.in-addr.arpa TXT")
	for _, written := range []string{"none", "Subject: half a hea", "a header", "all"} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			h.acceptor.o.Resolver = dnstest.New(t, zone).Resolver()
			l, text := dinner(t, 2*holdMemory, "two remote.test")
			s := h.acceptor.NewSession(Peer{Role: MX, Remote: netip.MustParseAddr(l.ip), Log: slog.New(slog.DiscardHandler)})
			tx, err := s.Mail(t.Context(), at("joe", "remote.test"), MailParams{})
			if err == nil {
				err = tx.Rcpt(t.Context(), at("alice", "example.test"), RcptParams{})
			}
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if written != "none" {
				if end := strings.Index(text, written); end > 0 {
					text = text[:end]
				}
				if written == "a header" {
					text = text[:strings.Index(text, "\r\n\r\n")+4]
				}
				content := tx.Receive(t.Context())
				io.WriteString(content, text)
				content.Abort(t.Context(), net.ErrClosed)
			}
			s.Close()
			if time.Since(began) > 0 {
				t.Errorf("%s: it took %v", written, time.Since(began))
			}
		})
	}
}

// An unsigned message that does not fit into memory waits for the name servers no
// longer than any other.
func TestUnsignedWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		silent := dnstest.New(t, "remote.test !timeout\n_dmarc.remote.test !timeout")
		h.acceptor.o.Resolver = dns.New(dns.Options{Dial: silent.Dial, Attempts: 100})
		l, text := dinner(t, 3*holdMemory)
		began := time.Now()
		if _, err := h.receive(t.Context(), &l, text, 10_000); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != checkTime {
			t.Errorf("it took %v", took)
		}
		if results, rest := split(t, string(h.last(t))); rest != text || !strings.Contains(results, "dmarc=temperror") {
			t.Error(results)
		}
	})
}

// A check that panics takes down the connection that waits for it, which is caught,
// and nothing else.
func TestCheckPanics(t *testing.T) {
	p := begin(t.Context(), func(context.Context) int { panic("a broken invariant") })
	p.stop()
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, "a broken invariant\n") || !strings.Contains(text, "examination_test.go") {
			t.Errorf("it came through as %q", text)
		}
	}()
	p.wait()
	t.Error("nothing was heard of it")
}

// Those who are not checked cost no lookup, and get no results written.
func TestNotChecked(t *testing.T) {
	h := newHouse(t)
	h.acceptor.o.Resolver = dns.New(dns.Options{Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("a name server was asked")
		return nil, net.ErrClosed
	}})
	h.acceptor.o.Policy.Exempt = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	h.acceptor.o.Policy.RelayFrom = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	for _, ip := range []string{
		"127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "fd00::1", "fe80::1", "169.254.1.1", "203.0.113.9", "198.51.100.3",
	} {
		l, text := dinner(t, 100, "two remote.test")
		text = "Authentication-Results: mail.example.test; none\r\n" + text
		l.ip = ip
		c, err := h.receive(t.Context(), &l, text, 1000)
		if err != nil || c.findings.Authentication != nil || c.examined != nil {
			t.Errorf("%s: %v", ip, err)
		}
		// What a server of ours passes on may say so.
		if results, rest := split(t, string(h.last(t))); results != "" || rest != text {
			t.Errorf("%s: %q", ip, results)
		}
	}
}

// Results that users make up are taken out, too: they are no server of ours.
func TestSubmittedResults(t *testing.T) {
	h := newHouse(t)
	text := "From: alice@example.test\r\nDate: now\r\nAuthentication-Results: mail.example.test;\r\n\tdmarc=pass\r\nMessage-ID: <x@y>\r\n\r\nAuthentication-Results: mail.example.test; none\r\n"
	if _, err := h.submit(t.Context(), []addr.Address{at("alice", "example.test")}, text); err != nil {
		t.Fatal(err)
	}
	if _, rest := split(t, string(h.last(t))); rest != "From: alice@example.test\r\nDate: now\r\nMessage-ID: <x@y>\r\n\r\nAuthentication-Results: mail.example.test; none\r\n" {
		t.Errorf("%q", rest)
	}
}

func TestClaims(t *testing.T) {
	for value, want := range map[string]bool{
		" mail.example.test; none":                             true,
		"mail.example.test":                                    true,
		" MAIL.example.TEST 1; none":                           true,
		"\r\n\t(we) (are\r\n (nested))\r\n mail.example.test;": true,
		` "mail.example.test"; none`:                           true,
		` "mail\.example.test" ; none`:                         true,
		` mail.example.test.; none`:                            true,
		` mail.example.test(really); none`:                     true,
		"":                                                     true, // whose it is cannot be told
		" ; none":                                              true,
		" (no end mail.example.test; none":                     true,
		` "no end; none`:                                       true,
		" mx.example.test; none":                               false,
		" example.test; mail.example.test":                     false,
		" (mail.example.test) other.test; none":                false,
		" mail.example.test.evil.test; none":                   false,
		` "other; mail.example.test"; none`:                    false,
	} {
		if got := claims([]byte(value), "mail.example.test"); got != want {
			t.Errorf("claims(%q) = %v", value, got)
		}
	}
}

// However a message is cut into pieces, what goes on is the message without the
// fields that claim to be ours, and nothing of it is lost.
func FuzzExamination(f *testing.F) {
	f.Add([]byte("From: a@b.test\r\nAuthentication-Results: mail.example.test; x\r\n\ty\r\nSubject: x\r\n\r\nbody"), uint8(3))
	f.Add([]byte("\r\nAuthentication-Results: mail.example.test\r\n"), uint8(1))
	f.Add([]byte("Authentication-Results: (\r\n (\\\r\n\n"), uint8(200))
	resolver := dns.New(dns.Options{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }})
	f.Fuzz(func(t *testing.T, text []byte, chunk uint8) {
		o := &Options{Hostname: "mail.example.test", Resolver: resolver, Clock: time.Now, TempDir: os.TempDir()}
		s := &Session{acceptor: &Acceptor{o: *o}, peer: Peer{Role: MX}}
		var out bytes.Buffer
		e := (&Transaction{o: o, session: s, id: "x"}).examine(t.Context(), &out)
		defer e.drop()
		for p := text; len(p) > 0; {
			n := min(int(chunk)+1, len(p))
			if _, err := e.Write(p[:n]); err != nil {
				t.Fatal(err)
			}
			p = p[n:]
		}
		if _, err := e.finish(); err != nil {
			t.Fatal(err)
		}
		// A header ends with the first empty line, as a plain reader sees it.
		header := len(text)
		for at := 0; at < len(text); {
			n := bytes.IndexByte(text[at:], '\n') + 1
			if line := string(text[at : at+n]); line == "\n" || line == "\r\n" {
				header = at + n
				break
			}
			if at += n; n == 0 {
				break
			}
		}
		want := append(append([]byte(nil), withoutResults(text[:header], o.Hostname)...), text[header:]...)
		if !bytes.HasSuffix(out.Bytes(), want) {
			t.Fatalf("%q became %q", text, out.Bytes())
		}
		if again := withoutResults(want[:len(want)-len(text)+header], o.Hostname); len(again) != len(want)-len(text)+header {
			t.Fatalf("of %q some would still be taken out: %q", want, again)
		}
	})
}

// BenchmarkExamine is what the checks of a signed message cost, with all answers at
// hand.
func BenchmarkExamine(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dK", size>>10), func(b *testing.B) {
			o := &Options{Hostname: "mail.example.test", Resolver: dnstest.New(b, published(b, remoteZone)).Resolver(), Clock: time.Now}
			s := &Session{acceptor: &Acceptor{o: *o}, peer: Peer{Role: MX, Remote: netip.MustParseAddr("192.0.2.1")}, hello: "mx.remote.test"}
			l, text := dinner(b, size, "two remote.test")
			p := []byte(text)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				t := &Transaction{o: o, session: s, id: "x", from: at("joe", l.from[4:])}
				t.checkSender(b.Context())
				e := t.examine(b.Context(), io.Discard)
				e.Write(p)
				if a, err := e.finish(); err != nil || a.DMARC.Result != dmarc.Pass {
					b.Fatal(a, err)
				}
				e.drop()
			}
		})
	}
}
