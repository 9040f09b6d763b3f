package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// TestOneAsks: of several nodes one gets an order, until it is done or its time is over.
func TestOneAsks(t *testing.T) {
	engine := memkv.New(memkv.Options{Rerun: true})
	a, b := vault{engine, "a"}, vault{engine, "b"}
	ctx, now := t.Context(), time.Unix(1e9, 0)
	always := func(order) bool { return true }
	free := func(r order) bool { return !r.Until.After(now) }
	if r, err := a.begin(ctx, "x.test", always, now); err != nil || r.Owner != "a" {
		t.Fatal(r, err)
	}
	if r, err := b.begin(ctx, "x.test", free, now); err != nil || r.Owner != "a" {
		t.Errorf("both ask: %+v, %v", r, err)
	}
	if r, err := b.begin(ctx, "y.test", free, now); err != nil || r.Owner != "b" {
		t.Errorf("another name is taken, too: %+v, %v", r, err)
	}
	now = now.Add(lease)
	r, err := b.begin(ctx, "x.test", free, now)
	if err != nil || r.Owner != "b" {
		t.Errorf("a node that died keeps the order: %+v, %v", r, err)
	}
	if err := a.finish(ctx, order{Name: "x.test", Chain: "late"}); err != nil {
		t.Fatal(err)
	}
	if r, err := a.order(ctx, "x.test"); err != nil || r.Chain != "" {
		t.Errorf("a node that was too slow spoiled the order: %+v, %v", r, err)
	}
	if err := a.hurry(ctx, "x.test"); err != nil {
		t.Fatal(err)
	}
	if err := b.finish(ctx, order{Name: "x.test", Chain: "good"}); err != nil {
		t.Fatal(err)
	}
	if r, err := a.order(ctx, "x.test"); err != nil || r.Chain != "good" || r.Owner != "" || !r.Wanted {
		t.Errorf("after the end: %+v, %v", r, err)
	}
}

// TestPatience: each failure makes the wait longer, up to half a day; an authority that
// wants to be left alone is, for an hour at least.
func TestPatience(t *testing.T) {
	now := time.Unix(1e9, 0)
	var r order
	for i, want := range []time.Duration{5 * time.Minute, 15 * time.Minute, 45 * time.Minute, 135 * time.Minute, 405 * time.Minute, 12 * time.Hour, 12 * time.Hour} {
		r = r.failed(errors.New("no"), now)
		if wait := r.Next.Sub(now); wait < want || wait > want+want/10 {
			t.Errorf("failure %d: a wait of %v, want %v", i+1, wait, want)
		}
		if due := r.due(ACME{}, now); !due.Equal(r.Next) {
			t.Errorf("failure %d: due %v", i+1, due)
		}
	}
	r = order{}.failed(fault.New(fault.Unavailable, "x: %w", acme.Problem{Type: acme.ProblemTypeRateLimited}), now)
	if wait := r.Next.Sub(now); wait < time.Hour {
		t.Errorf("rate limited: a wait of %v", wait)
	}
}

func TestDue(t *testing.T) {
	now := time.Unix(1e9, 0)
	here := ACME{Directory: "https://a.test/dir"}
	later := now.Add(time.Hour)
	for name, tc := range map[string]struct {
		order order
		want  time.Time
	}{
		"none yet":             {order{}, now},
		"a good one":           {order{Chain: "x", Directory: here.Directory, RenewAt: later}, later},
		"of another authority": {order{Chain: "x", Directory: "https://b.test/dir", RenewAt: later}, now},
		"renewal failed":       {order{Chain: "x", Directory: here.Directory, RenewAt: now, Next: later}, later},
		"somebody is at it":    {order{Until: later}, later},
		"the operator asks":    {order{Chain: "x", Directory: here.Directory, RenewAt: later, Next: later, Wanted: true}, now},
		"and somebody is":      {order{Wanted: true, Until: later}, later},
	} {
		if got := tc.order.due(here, now); !got.Equal(tc.want) {
			t.Errorf("%s: due %v, want %v", name, got, tc.want)
		}
	}
}

// TestBadAuthorities: whatever an authority says, the server goes on with what it has,
// remembers what went wrong and waits.
func TestBadAuthorities(t *testing.T) {
	page := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	endless := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.Copy(w, io.MultiReader(strings.NewReader(`{"newNonce":"`), letters{}))
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"down":      {page(503, "text/plain", "Maintenance"), "503"},
		"a problem": {page(429, "application/problem+json", `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many","status":429}`), "too many"},
		"no JSON":   {page(200, "application/json", "<html>"), "invalid character"},
		"empty":     {page(200, "application/json", "{}"), "directory fields are missing"},
		"endless":   {endless, "unexpected end of JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewTLSServer(tc.answer)
			defer s.Close()
			var log record
			set := New(time.Now, log.logger())
			k := NewKeeper(set, memkv.New(memkv.Options{}), log.logger())
			roots := x509.NewCertPool()
			roots.AddCert(s.Certificate())
			a := ACME{Directory: s.URL + "/dir", Roots: roots, Names: []string{"mail.example.test"}, Challenge: HTTP01}
			k.Use(a)
			set.Use(newFolder(t).read(Options{Hostname: "mail.example.test", SelfSign: true}))
			start := time.Now()
			if next := k.round(t.Context()); next < firstRetry-time.Minute {
				t.Errorf("asks again after %v", next)
			}
			r, err := k.vault.order(t.Context(), "mail.example.test")
			if err != nil || r.Attempts != 1 || !strings.Contains(r.Error, tc.says) || len(r.Error) > 2000 || r.Owner != "" {
				t.Errorf("remembered %+v, %v; want %q", r, err, tc.says)
			}
			if said := log.take(); !strings.Contains(said, "has issued no certificate") {
				t.Errorf("said %s", said)
			}
			if got := shown(t, set, "mail.example.test"); got != "mail.example.test" {
				t.Errorf("shown %s", got)
			}
			k.round(t.Context()) // nothing is due
			if r, err := k.vault.order(t.Context(), "mail.example.test"); err != nil || r.Attempts != 1 {
				t.Errorf("asked again after %v: %+v, %v", time.Since(start), r, err)
			}
			states, err := k.States(t.Context())
			if err != nil || len(states) != 2 || states[1].Attempts != 1 || states[1].Error == "" || states[0].Problem == "" {
				t.Errorf("states %+v, %v", states, err)
			}
		})
	}
}

// letters never end.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// TestUsable: what an authority sends is looked at before it is shown.
func TestUsable(t *testing.T) {
	_, key, err := keyOf("")
	if err != nil {
		t.Fatal(err)
	}
	certificate, ownKey, err := SelfSign(time.Now(), "mail.test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := usable(certificate, string(ownKey), "mail.test", time.Now()); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"another key":  second(usable(certificate, key, "mail.test", time.Now())),
		"another name": second(usable(certificate, string(ownKey), "imap.test", time.Now())),
		"ended":        second(usable(certificate, string(ownKey), "mail.test", time.Now().AddDate(20, 0, 0))),
		"junk":         second(usable([]byte("junk"), string(ownKey), "mail.test", time.Now())),
	} {
		if err == nil {
			t.Errorf("%s: nothing is wrong", name)
		}
	}
}

func second(_ *x509.Certificate, err error) error { return err }

// TestNodes: what one node got, the others show, and the operator's words reach them.
func TestNodes(t *testing.T) {
	folder := newFolder(t)
	certificate, key, err := SelfSign(time.Now(), "mail.test")
	if err != nil {
		t.Fatal(err)
	}
	loaded := folder.read(Options{Hostname: "other.test", SelfSign: true})
	synctest.Test(t, func(t *testing.T) {
		engine := memkv.New(memkv.Options{})
		set := New(time.Now, slog.New(slog.DiscardHandler))
		set.Use(loaded)
		k := NewKeeper(set, engine, slog.New(slog.DiscardHandler))
		k.Use(ACME{Directory: "https://ca.test/", Names: []string{"mail.test"}, Challenge: "none"})
		other := vault{engine, "other"}
		far := time.Now().Add(1000 * time.Hour)
		if err := other.put(t.Context(), orderKey("mail.test"), order{Name: "mail.test", Until: far}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); k.Run(ctx) }()
		synctest.Wait()
		if got := shown(t, set, "mail.test"); got != "other.test" {
			t.Errorf("shown %s", got)
		}
		err := other.put(t.Context(), orderKey("mail.test"), order{
			Name: "mail.test", Chain: string(certificate), Key: string(key), Directory: "https://ca.test/", RenewAt: far,
		})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := shown(t, set, "mail.test"); got != "mail.test" {
			t.Errorf("after another node got one: shown %s", got)
		}
		if _, err := k.Renew(t.Context(), "other.test"); !fault.Is(err, fault.NotFound) {
			t.Errorf("renewing what is not ours: %v", err)
		}
		if names, err := k.Renew(t.Context(), ""); err != nil || !slices.Equal(names, []string{"mail.test"}) {
			t.Errorf("renewed %v, %v", names, err)
		}
		synctest.Wait()
		if r, err := k.vault.order(t.Context(), "mail.test"); err != nil || r.Attempts != 1 || r.Chain == "" {
			t.Errorf("after the operator asked for it: %+v, %v", r, err)
		}
		if got := shown(t, set, "mail.test"); got != "mail.test" {
			t.Errorf("after a failed renewal: shown %s", got)
		}
		k.Use(ACME{})
		synctest.Wait()
		if got := shown(t, set, "mail.test"); got != "other.test" {
			t.Errorf("when no authority is asked any more: shown %s", got)
		}
		cancel()
		<-done
	})
}

func TestSecretsStay(t *testing.T) {
	text, err := json.Marshal(State{})
	if err != nil || strings.Contains(string(text), "Key") {
		t.Errorf("a state has a key: %s, %v", text, err)
	}
}

// ask says something to the listener for HTTP-01 and gives the answer.
func ask(t *testing.T, k *Keeper, said string) string {
	t.Helper()
	s := wiretest.Start(t, wire.Options{Serve: k.ServeHTTP01, PreAuthTotal: 15 * time.Second})
	nc := s.Dial()
	go io.WriteString(nc, said)
	answer, err := io.ReadAll(nc)
	if err != nil {
		t.Errorf("%q: %v", said, err)
	}
	return string(answer)
}

func TestServeHTTP01(t *testing.T) {
	const good = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\nContent-Length: 15\r\n\r\n"
	const bad = "HTTP/1.1 404 Not Found\r\nContent-Type: application/octet-stream\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	for said, want := range map[string]string{
		"GET /.well-known/acme-challenge/a-Token_1 HTTP/1.1\r\nHost: mail.test\r\n\r\n":     good + "a-Token_1.thumb",
		"GET /.well-known/acme-challenge/a-Token_1 HTTP/1.0\n\n":                            good + "a-Token_1.thumb",
		"HEAD /.well-known/acme-challenge/a-Token_1 HTTP/1.1\r\n\r\n":                       good,
		"GET /.well-known/acme-challenge/another HTTP/1.1\r\n\r\n":                          bad,
		"GET /.well-known/acme-challenge/../../x HTTP/1.1\r\n\r\n":                          bad,
		"GET /.well-known/acme-challenge/ HTTP/1.1\r\n\r\n":                                 bad,
		"GET /.well-known/acme-challenge/" + strings.Repeat("a", 200) + " HTTP/1.1\r\n\r\n": bad,
		"POST /.well-known/acme-challenge/a-Token_1 HTTP/1.1\r\n\r\n":                       bad,
		"GET / HTTP/1.1\r\nX: " + strings.Repeat("y", 3000) + "\r\n\r\n":                    bad,
		"nonsense\r\n\r\n": bad,
		"GET " + strings.Repeat("y", 3000) + "\r\n\r\n":                                                       "",
		"GET / HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 200):                                                "",
		"GET /.well-known/acme-challenge/a-Token_1 HTTP/1.1\r\nHost: mail.test\r\nX: y\r\n\r\nGET / HTTP/1.1": good + "a-Token_1.thumb",
	} {
		synctest.Test(t, func(t *testing.T) {
			k := NewKeeper(New(time.Now, slog.New(slog.DiscardHandler)), memkv.New(memkv.Options{}), slog.New(slog.DiscardHandler))
			if err := k.vault.setAnswer(t.Context(), httpKey("a-Token_1"), "a-Token_1.thumb"); err != nil {
				t.Fatal(err)
			}
			if got := ask(t, k, said); got != want {
				t.Errorf("%q:\ngot  %q\nwant %q", said, got, want)
			}
		})
	}
}

// TestChallengeTLS: an authority gets its certificate, nobody else gets anything.
func TestChallengeTLS(t *testing.T) {
	k := NewKeeper(New(time.Now, slog.New(slog.DiscardHandler)), memkv.New(memkv.Options{}), slog.New(slog.DiscardHandler))
	if err := k.vault.setAnswer(t.Context(), alpnKey("mail.test"), "token.thumb"); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		client *tls.Config
		in     bool
	}{
		{"the authority", &tls.Config{ServerName: "mail.test", NextProtos: []string{"acme-tls/1"}}, true},
		{"about another name", &tls.Config{ServerName: "other.test", NextProtos: []string{"acme-tls/1"}}, false},
		{"a browser", &tls.Config{ServerName: "mail.test", NextProtos: []string{"h2", "http/1.1"}}, false},
		{"somebody who says nothing", &tls.Config{ServerName: "mail.test"}, false},
		{"somebody who says both", &tls.Config{ServerName: "mail.test", NextProtos: []string{"acme-tls/1", "h2"}}, false},
	} {
		tc.client.InsecureSkipVerify = true
		state, err := shake(k.ChallengeTLS(), tc.client)
		if (err == nil) != tc.in {
			t.Errorf("%s: %v", tc.name, err)
		}
		if tc.in && !slices.Equal(state.PeerCertificates[0].DNSNames, []string{"mail.test"}) {
			t.Errorf("%s is shown %v", tc.name, state.PeerCertificates[0].DNSNames)
		}
	}
}

// FuzzChallenge: whatever a request says, only what can be a token gets to the store.
func FuzzChallenge(f *testing.F) {
	f.Add("GET /.well-known/acme-challenge/a-Token_1 HTTP/1.1\r\n")
	f.Add("HEAD /.well-known/acme-challenge/../x\n")
	f.Fuzz(func(t *testing.T, request string) {
		token, _ := challengeOf(request)
		if len(token) > mostToken || strings.ContainsAny(token, "/.\x00 \r\n") || !strings.Contains(request, token) {
			t.Errorf("%q: %q", request, token)
		}
	})
}
