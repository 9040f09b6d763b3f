package mtasts_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/dns/dnstest"
	"posthorn/internal/fault"
	"posthorn/internal/mtasts"
	"posthorn/internal/wire/wiretest"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // in which what is wrong with a certificate is expected
	os.Exit(m.Run())
}

// web is the web, which has one server.
type web struct {
	t     *testing.T
	dns   *dnstest.Server
	ca    *wiretest.CA
	conns sync.WaitGroup

	mu          sync.Mutex
	certificate tls.Certificate
	response    string // "" hangs
	requests    int
}

const (
	zone = "_mta-sts.example.test 1 TXT \"v=STSv1; id=1\"\nmta-sts.example.test A 192.0.2.80"
	ok   = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=us-ascii\r\nConnection: close\r\n\r\n"
	text = "version: STSv1\nmode: enforce\nmx: mx.example.test\nmax_age: 864000\n"
)

func newWeb(t *testing.T) *web {
	w := &web{t: t, dns: dnstest.New(t, zone), ca: wiretest.NewCA(t), response: ok + text}
	w.certificate = w.ca.Issue(nil, "mta-sts.example.test")
	t.Cleanup(w.conns.Wait)
	return w
}

func (w *web) cache(store mtasts.Store) *mtasts.Cache {
	return mtasts.New(mtasts.Options{Resolver: w.dns.Resolver(), Store: store, Roots: w.ca.Roots(), Dial: w.dial})
}

func (w *web) dial(_ context.Context, _, address string) (net.Conn, error) {
	if address != "192.0.2.80:443" {
		return nil, errors.New("connection refused")
	}
	client, server := wiretest.Pair()
	w.conns.Go(func() {
		defer server.Close()
		w.mu.Lock()
		response, certificate := w.response, w.certificate
		w.mu.Unlock()
		t := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{certificate}})
		request, err := http.ReadRequest(bufio.NewReader(t))
		if err != nil {
			return
		}
		w.mu.Lock()
		w.requests++
		w.mu.Unlock()
		if request.URL.Path != "/.well-known/mta-sts.txt" || request.Host != "mta-sts.example.test" || request.Method != "GET" {
			w.t.Errorf("%+v", request)
		}
		if response == "" {
			_, _ = io.Copy(io.Discard, t)
			return
		}
		_, _ = io.WriteString(t, response)
		_ = t.Close()
	})
	return client, nil
}

func (w *web) set(response string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.response = response
}

// asked is how many requests there were since it was asked last.
func (w *web) asked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.requests = 0 }()
	return w.requests
}

// tell spells an answer.
func tell(a mtasts.Answer) string {
	got := string(a.Policy.Mode)
	if len(a.Policy.MX) > 0 {
		got += " " + strings.Join(a.Policy.MX, " ")
	}
	if e := (*mtasts.Error)(nil); errors.As(a.Err, &e) {
		got += "; " + string(e.Problem) + ": " + e.Error()
	} else if a.Err != nil {
		got += "; " + fault.KindOf(a.Err).String()
	}
	return got
}

const url = "https://mta-sts.example.test/.well-known/mta-sts.txt"

// TestGet is a domain that nobody knows yet, in all states.
func TestGet(t *testing.T) {
	for _, tc := range []struct {
		name, zone, response string
		certificate          func(*x509.Certificate)
		want                 string
		requests             int
		takes                time.Duration
	}{
		{name: "a policy", want: "enforce mx.example.test", requests: 1},
		{name: "no announcement", zone: "mta-sts.example.test A 192.0.2.80", want: "none"},
		{name: "DNS does not tell", zone: zone + "\n_mta-sts.example.test !servfail", want: "none"},
		{name: "an alias", zone: "_mta-sts.example.test CNAME _mta-sts.host.test.\n_mta-sts.host.test TXT \"v=STSv1; id=1;\"\nmta-sts.example.test CNAME host.test.\nhost.test A 192.0.2.80", want: "enforce mx.example.test", requests: 1},
		{
			name: "no server", zone: strings.Replace(zone, "192.0.2.80", "192.0.2.81", 1),
			want: `none; sts-policy-fetch-error: mta-sts: Get "` + url + `": connection refused`,
		},
		{
			name: "no address", zone: strings.Replace(zone, "mta-sts.example.test A", "other.test A", 1),
			want: `none; sts-policy-fetch-error: mta-sts: Get "` + url + `": dns: mta-sts.example.test does not exist`,
		},
		{
			name: "not found", response: "HTTP/1.1 404 Not Found\r\n\r\n", requests: 1,
			want: `none; sts-policy-fetch-error: mta-sts: ` + url + `: the server says "404 Not Found"`,
		},
		{
			name: "elsewhere", response: "HTTP/1.1 301 Moved\r\nLocation: https://mta-sts.example.test/there\r\n\r\n", requests: 1,
			want: `none; sts-policy-fetch-error: mta-sts: ` + url + `: the server says "301 Moved"`,
		},
		{
			name: "HTML", response: "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + text, requests: 1,
			want: `none; sts-policy-invalid: mta-sts: ` + url + `: it is of type "text/html", not text/plain`,
		},
		{
			name: "nonsense", response: ok + "mode: what\n", requests: 1,
			want: `none; sts-policy-invalid: mta-sts: ` + url + `: mode "what" of a policy is not known`,
		},
		{
			name: "a flood", response: ok + strings.Repeat("# noise\n", 1<<20), requests: 1,
			want: `none; sts-policy-invalid: mta-sts: ` + url + `: it is longer than 65536 bytes`,
		},
		{
			name: "no HTTP", response: "220 mx.test ESMTP\r\n", requests: 1,
			want: `none; sts-policy-fetch-error: mta-sts: Get "` + url + `": net/http: HTTP/1.x transport connection broken: malformed HTTP status code "mx.test"`,
		},
		{
			name: "silence", response: "hang", requests: 1, takes: 30 * time.Second,
			want: `none; sts-policy-fetch-error: mta-sts: Get "` + url + `": context deadline exceeded`,
		},
		{
			name: "an expired certificate", certificate: func(c *x509.Certificate) { c.NotAfter = time.Unix(1, 0) },
			want: `none; sts-webpki-invalid: mta-sts: Get "` + url + `": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2000-01-01T00:00:00Z is after 1970-01-01T00:00:01Z`,
		},
		{
			name: "another's certificate", certificate: func(c *x509.Certificate) { c.DNSNames = []string{"example.test"} },
			want: `none; sts-webpki-invalid: mta-sts: Get "` + url + `": tls: failed to verify certificate: x509: certificate is valid for example.test, not mta-sts.example.test`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWeb(t)
				if tc.zone != "" {
					w.dns.Set(tc.zone)
				}
				switch tc.response {
				case "":
				case "hang":
					w.set("")
				default:
					w.set(tc.response)
				}
				w.certificate = w.ca.Issue(tc.certificate, "mta-sts.example.test")
				start := time.Now()
				if got := tell(w.cache(nil).Get(t.Context(), "example.test")); got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
				if n := w.asked(); n != tc.requests {
					t.Errorf("%d requests, want %d", n, tc.requests)
				}
				if took := time.Since(start); took != tc.takes {
					t.Errorf("it took %v, want %v", took, tc.takes)
				}
			})
		})
	}
}

// shelf is a Store.
type shelf struct {
	records map[string][]byte
	err     error
}

func (s *shelf) Load(_ context.Context, domain string) ([]byte, error) {
	return s.records[domain], s.err
}

func (s *shelf) Save(_ context.Context, domain string, record []byte) error {
	if s.err == nil {
		s.records[domain] = record
	}
	return s.err
}

// TestLife is what becomes of a policy with time.
func TestLife(t *testing.T) {
	const (
		day     = 24 * time.Hour
		enforce = "enforce mx.example.test"
		problem = `; sts-policy-fetch-error: mta-sts: ` + url + `: the server says "404 Not Found"`
	)
	synctest.Test(t, func(t *testing.T) {
		w, store := newWeb(t), &shelf{records: map[string][]byte{}}
		cache := w.cache(store)
		newer := strings.Replace(zone, "id=1", "id=2", 1)
		for _, step := range []struct {
			after    time.Duration
			zone     string
			response string
			restart  bool
			want     string
			requests int
		}{
			{0, "", "", false, enforce, 1},
			{time.Hour, "", "", false, enforce, 0},
			{time.Hour, "", "", true, enforce, 0}, // a restart changes nothing
			{day, "", "", false, enforce, 1},      // fetched again, to hold for longer
			{time.Hour, newer, "", false, enforce, 1},
			{time.Hour, zone, "404", false, enforce + problem, 1}, // another, which cannot be had
			{time.Minute, zone, "404", false, enforce + problem, 0},
			{10 * time.Minute, zone, "404", true, enforce + problem, 1},
			{time.Hour, "gone.test A 192.0.2.1", "404", true, enforce, 0}, // nobody announces it any more
			{time.Hour, "_mta-sts.example.test !servfail", "404", true, enforce, 0},
			{9 * day, "gone.test A 192.0.2.1", "404", true, enforce + problem[:len("; sts-policy-fetch-error")] + ": mta-sts: Get \"" + url + "\": dns: mta-sts.example.test does not exist", 0},
			{day, "gone.test A 192.0.2.1", "404", true, "none", 0}, // its time is over
			{time.Hour, zone, "404", false, "none" + problem, 1},
			{time.Hour, zone, "", false, enforce, 1},
		} {
			time.Sleep(step.after)
			if step.zone != "" {
				w.dns.Set(step.zone)
			}
			w.set(ok + text)
			if step.response != "" {
				w.set("HTTP/1.1 404 Not Found\r\n\r\n")
			}
			if step.restart {
				cache = w.cache(store)
			}
			if _, known := cache.Known("example.test"); known {
				t.Errorf("%+v: it is known before anybody was asked", step)
			}
			if got := tell(cache.Get(t.Context(), "example.test")); got != step.want {
				t.Errorf("%+v:\ngot  %s", step, got)
			}
			if again, known := cache.Known("example.test"); !known || tell(again) != step.want {
				t.Errorf("%+v:\nafterwards it is known: %v, %s", step, known, tell(again))
			}
			if n := w.asked(); n != step.requests {
				t.Errorf("%+v: %d requests", step, n)
			}
		}
		record := store.records["example.test"]
		if mtasts.Expired(record, time.Now().Add(9*day)) || !mtasts.Expired(record, time.Now().Add(11*day)) || !mtasts.Expired([]byte("x"), time.Now()) {
			t.Error("Expired is wrong")
		}
	})
}

// Without a store that works there are still policies; and of many that want one, one
// fetches it.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWeb(t)
		cache := w.cache(&shelf{err: errors.New("the disk is gone")})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if got := tell(cache.Get(t.Context(), "example.test")); got != "enforce mx.example.test" {
					t.Error(got)
				}
			})
		}
		all.Wait()
		if n := w.asked(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// Whoever has no more time is let go, whether it is he who fetches or not.
func TestCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWeb(t)
		w.set("")
		cache := w.cache(nil)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if got := tell(cache.Get(ctx, "example.test")); !strings.HasSuffix(got, "; canceled") {
					t.Error(got)
				}
			})
		}
		all.Wait()
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		// That is no reason to believe that there is nothing.
		w.set(ok + text)
		if got := tell(cache.Get(t.Context(), "example.test")); got != "enforce mx.example.test" {
			t.Error(got)
		}
	})
}
