package tlsrpt

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/dns/dnstest"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	time.Local = time.UTC // in which the golden report is written
	os.Exit(m.Run())
}

// house is a Counter with what it needs.
type house struct {
	*Counter
	t      *testing.T
	engine *memkv.Engine
	dns    *dnstest.Server
	stop   func()

	mu    sync.Mutex
	from  string
	fails error
	sent  []string // addresses
	last  []byte
}

// set changes how the house works.
func (h *house) set(from string, fails error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.from, h.fails = from, fails
}

// told is who was sent a report, and the last one.
func (h *house) told() (string, []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.sent, " "), h.last
}

func newHouse(t *testing.T, zone string) *house {
	h := &house{t: t, engine: memkv.New(memkv.Options{}), dns: dnstest.New(t, zone), from: "tls@example.org"}
	h.start()
	t.Cleanup(func() { h.stop() })
	return h
}

// start starts the counter, or starts it again.
func (h *house) start() {
	resolver := h.dns.Resolver()
	h.Counter = New(func() Options {
		h.mu.Lock()
		defer h.mu.Unlock()
		return Options{Engine: h.engine, From: h.from, Hostname: "mail.example.org", Resolver: resolver, Send: h.send}
	})
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Run(ctx)
	}()
	h.stop = func() {
		cancel()
		<-done
	}
}

func (h *house) send(_ context.Context, to string, message []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fails != nil {
		return h.fails
	}
	h.sent = append(h.sent, to)
	h.last = message
	return nil
}

// kept tells what the engine has, a line for each destination.
func (h *house) kept() string {
	var lines []string
	err := h.Tallies(h.t.Context(), func(day, domain string, t *Tally) bool {
		line := day + " " + domain
		for _, p := range t.Policies {
			line += fmt.Sprintf(" %s %d:%d/%d", p.Policy.Type, p.Summary.Succeeded, p.Summary.Failed, len(p.Failures))
		}
		lines = append(lines, line)
		return true
	})
	if err != nil {
		h.t.Error(err)
	}
	return strings.Join(lines, "\n")
}

func session(domain string, failure Failure) Session {
	s := Session{
		Domain: domain, Policy: Policy{Type: STS, Domain: domain, Strings: []string{"version: STSv1", "mode: enforce", "mx: *." + domain, "max_age: 86400"}, Hosts: []string{"*." + domain}},
		Sender: netip.MustParseAddr("192.0.2.10"), Receiver: netip.MustParseAddr("2001:db8::1"), Host: "mx." + domain,
	}
	if s.Failure = failure; failure != "" {
		s.Reason = "because of " + string(failure)
	}
	return s
}

// What is counted is kept within a minute, at the end of Run, and added up over
// restarts.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, "")
		for range 3 {
			h.Count(session("remote.test", ""))
		}
		h.Count(session("other.test", CertificateExpired))
		if got := h.kept(); got != "" {
			t.Errorf("kept at once:\n%s", got)
		}
		time.Sleep(keepEvery + time.Second)
		h.Count(session("remote.test", CertificateExpired))
		h.Count(session("remote.test", CertificateExpired))
		h.Count(session("remote.test", StartTLSNotSupported))
		h.stop()
		h.set("", nil) // or they would be reported
		h.start()
		h.Count(session("remote.test", ""))
		time.Sleep(24 * time.Hour)
		h.Count(Session{Domain: "remote.test", Policy: Policy{Type: NoPolicy, Domain: "remote.test"}})
		time.Sleep(keepEvery + time.Second)
		want := "2000-01-01 other.test sts 0:1/1\n2000-01-01 remote.test sts 4:3/2\n2000-01-02 remote.test no-policy-found 1:0/0"
		if got := h.kept(); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// While nobody wants reports, counters go after three days.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, "_smtp._tls.remote.test TXT \"v=TLSRPTv1; rua=mailto:tls@remote.test\"")
		h.set("", nil)
		h.Count(session("remote.test", ""))
		h.Count(session("remote.test", CertificateExpired))
		time.Sleep(3*24*time.Hour - time.Second)
		if got := h.kept(); got != "2000-01-01 remote.test sts 1:1/1" {
			t.Errorf("got %s", got)
		}
		time.Sleep(24*time.Hour + sendEvery)
		n := 0
		err := h.engine.View(t.Context(), shard, func(r kv.Reader) error {
			return r.Scan(kv.Range{}, func([]byte, []byte) bool { n++; return true })
		})
		if sent, _ := h.told(); n != 0 || err != nil || sent != "" {
			t.Errorf("%d keys, %v, sent to %v", n, err, sent)
		}
	})
}

// An engine that cannot write loses nothing that is counted.
func TestEngineIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, "")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		h.Count(session("remote.test", ""))
		if err := h.keep(ctx); err == nil {
			t.Fatal("kept")
		}
		h.Count(session("remote.test", ""))
		if err := h.keep(t.Context()); err != nil || h.kept() != "2000-01-01 remote.test sts 2:0/0" {
			t.Errorf("%v: %s", err, h.kept())
		}
	})
}

// Many ways to fail take no more room than some.
func TestBounds(t *testing.T) {
	tally := new(Tally)
	for i := range 1000 {
		s := session("remote.test", CertificateExpired)
		s.Reason = strings.Repeat("x", i)
		s.Policy.Domain = fmt.Sprint(i % 20)
		s.Policy.Strings = make([]string, i)
		tally.count(s)
	}
	b := tally.encode()
	if len(tally.Policies) != maxPolicies || len(b) > 1<<20 {
		t.Errorf("%d policies, %d bytes", len(tally.Policies), len(b))
	}
	one := new(Tally)
	for i := range 1000 {
		s := session("remote.test", ValidationFailure)
		s.Host = fmt.Sprint(i)
		one.count(s)
	}
	twice := new(Tally)
	twice.add(one)
	twice.add(one)
	n := int64(0)
	for _, f := range twice.Policies[0].Failures {
		n += f.Sessions
	}
	if n != 2000 || twice.Policies[0].Summary.Failed != 2000 || len(twice.Policies[0].Failures) > maxFailures+1 {
		t.Errorf("%d failures in %d ways, %+v", n, len(twice.Policies[0].Failures), twice.Policies[0].Summary)
	}
	var none *Counter
	none.Count(session("remote.test", ""))
}

// A domain is told once of each day, after it is over, if it wants to be told.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, `
_smtp._tls.remote.test TXT "v=TLSRPTv1; rua=mailto:tls@remote.test,https://remote.test/tls,mailto:reports%2Btls@other.test?subject=x"
_smtp._tls.sick.test !servfail
`)
		for range 5 {
			h.Count(session("remote.test", ""))
		}
		h.Count(session("remote.test", CertificateExpired))
		h.Count(session("remote.test", CertificateExpired))
		h.Count(session("remote.test", CertificateHostMismatch))
		h.Count(Session{Domain: "remote.test", Policy: Policy{Type: DANE, Domain: "mx.remote.test", Strings: []string{"3 1 1 abcd"}}, Failure: DNSSECInvalid, Host: "mx.remote.test"})
		h.Count(session("silent.test", ""))
		h.Count(session("sick.test", ""))
		h.set(h.from, errors.New("the queue is full"))
		time.Sleep(24 * time.Hour)
		if sent, _ := h.told(); sent != "" {
			t.Errorf("told on the day itself: %v", sent)
		}
		time.Sleep(5*time.Hour + 10*time.Second)
		h.set(h.from, nil)
		time.Sleep(24 * time.Hour)
		got, last := h.told()
		if got != "tls@remote.test reports+tls@other.test" {
			t.Errorf("sent to %s", got)
		}
		if got := h.kept(); got != "2000-01-01 sick.test sts 1:0/0" {
			t.Errorf("kept %s", got)
		}
		golden(t, last)
	})
}

// golden compares a report with testdata/report.txt: its header, its text, and the
// JSON in it.
func golden(t *testing.T, message []byte) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	got := string(header) + "\r\n"
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" {
		t.Fatal(kind, err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		part, err := parts.NextPart()
		if err != nil {
			break
		}
		var r io.Reader = part
		if part.Header.Get("Content-Transfer-Encoding") == "base64" {
			if r, err = gzip.NewReader(base64.NewDecoder(base64.StdEncoding, part)); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if part.Header.Get("Content-Type") != "text/plain; charset=us-ascii" && !json.Valid(text) {
			t.Errorf("no JSON: %s", text)
		}
		got += fmt.Sprintf("\n-- %v\n%s", part.Header, text)
	}
	got = strings.ReplaceAll(got, "\r\n", "\n")
	const file = "testdata/report.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || got != string(want) {
		t.Errorf("run with -update if this is right (%v); got:\n%s", err, got)
	}
}

func TestReceivers(t *testing.T) {
	for _, tc := range []struct{ texts, want string }{
		{"v=TLSRPTv1; rua=mailto:a@b.test", "a@b.test"},
		{"v=TLSRPTv1;rua=mailto:a@b.test;", "a@b.test"},
		{"v=TLSRPTv1; rua=MAILTO:a@b.test, mailto:c@d.test,mailto:a@b.test", "a@b.test c@d.test"},
		{"v=TLSRPTv1; rua=https://b.test/x", ""},
		{"v=TLSRPTv1; rua=mailto:a%zz@b.test,mailto:,mailto:a,mailto:a@b.test%0d%0aX: y", ""},
		{"v=TLSRPTv1; rua=mailto:1@b.test,mailto:2@b.test,mailto:3@b.test,mailto:4@b.test", "1@b.test 2@b.test 3@b.test"},
		{"v=TLSRPTv1; rua=mailto:a@b.test|other", "a@b.test"},
		{"v=TLSRPTv1; rua=mailto:a@b.test|v=TLSRPTv1; rua=mailto:a@b.test", ""},
		{"v=TLSRPTv2; rua=mailto:a@b.test", ""},
		{"", ""},
	} {
		if got := strings.Join(receivers(strings.Split(tc.texts, "|")), " "); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.texts, got, tc.want)
		}
	}
}

// FuzzReceivers: what a domain writes becomes addresses that can stand in a header.
func FuzzReceivers(f *testing.F) {
	f.Add("v=TLSRPTv1; rua=mailto:a%2Bb@c.test?x=y,https://d.test")
	f.Fuzz(func(t *testing.T, text string) {
		for _, to := range receivers([]string{text}) {
			if _, err := mail.ParseAddress("<" + to + ">"); err != nil || strings.ContainsAny(to, "\r\n") {
				t.Errorf("%q: %v", to, err)
			}
		}
	})
}

// FuzzTally: what is kept is whole, or is not taken for a tally.
func FuzzTally(f *testing.F) {
	tally := new(Tally)
	tally.count(session("remote.test", CertificateExpired))
	f.Add(tally.encode())
	f.Add([]byte(`{"version":1,"policies":[null]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		kept, err := decode(b)
		if err != nil {
			return
		}
		sum := new(Tally)
		sum.add(kept)
		if again, err := decode(sum.encode()); err != nil || !bytes.Equal(again.encode(), sum.encode()) {
			t.Errorf("%v", err)
		}
	})
}
