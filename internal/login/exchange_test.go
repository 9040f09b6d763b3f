package login_test

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"hash"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/login"
	"posthorn/internal/login/logintest"
	"posthorn/internal/sasl"
	"posthorn/internal/store"
)

// people are a directory with alice and bob, whose password is secret. Bob has opted in
// to CRAM-MD5 and APOP.
func people(t testing.TB) *directory.Directory {
	t.Helper()
	d := directory.New(memkv.New(memkv.Options{}), directory.Options{Hash: directory.HashParams{Memory: 8, Passes: 1, Threads: 1}})
	t.Cleanup(d.Close)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := d.AddDomain(t.Context(), "example.test")
	must(err)
	for _, name := range []string{"alice", "bob"} {
		_, err := d.AddAccount(t.Context(), addr.Address{Local: name, Domain: "example.test"}, "secret")
		must(err)
	}
	must(d.ShareSecret(t.Context(), addr.Address{Local: "bob", Domain: "example.test"}, "secret"))
	return d
}

// tokens are good for whom they name.
type tokens struct{}

func (tokens) Verify(_ context.Context, token string) (string, error) {
	switch {
	case token == "down":
		return "", fault.New(fault.Unavailable, "test: the provider is down")
	case !strings.Contains(token, "@"):
		return "", fault.New(fault.Unauthenticated, "test: bad token")
	}
	return token, nil
}

func (tokens) Discovery() sasl.Discovery { return sasl.Discovery{Scope: "mail"} }

// whole is a gate that offers everything.
func whole(t testing.TB, o login.Options) *login.Gate {
	if o.Directory == nil {
		o.Directory = people(t)
	}
	o.Hostname, o.Tokens, o.Certificates = "mail.example.test", tokens{}, true
	o.Holders = map[string]string{"CN=laptop": "bob@example.test"}
	if o.Only == nil {
		o.Only = login.Names()
	}
	return login.New(o)
}

// secure is a peer with a certificate for these addresses, or for a subject.
func secure(protocol, subject string, addresses ...string) login.Peer {
	p := peer()
	p.Protocol = protocol
	leaf := &x509.Certificate{EmailAddresses: addresses, Subject: pkix.Name{CommonName: subject}, Raw: []byte(subject)}
	p.TLS = &tls.ConnectionState{Version: tls.VersionTLS12, TLSUnique: []byte("unique"), VerifiedChains: [][]*x509.Certificate{{leaf}}}
	return p
}

// talk runs an exchange in which the client says these things, an initial response first.
func talk(t *testing.T, g *login.Gate, p login.Peer, mechanism string, say ...string) (login.Identity, error) {
	t.Helper()
	x, err := g.Start(t.Context(), p, mechanism)
	if err != nil {
		return login.Identity{}, err
	}
	for _, one := range say {
		_, done, err := x.Next([]byte(one))
		if done || err != nil {
			return x.Identity(), err
		}
	}
	t.Fatalf("%s does not end", mechanism)
	return login.Identity{}, nil
}

// scram runs SCRAM.
func scram(t *testing.T, g *login.Gate, p login.Peer, mechanism string, c sasl.ScramClient) (login.Identity, error) {
	t.Helper()
	c.Hash = sha256.New
	if strings.Contains(mechanism, "SHA-1") {
		c.Hash = func() hash.Hash { return sha1.New() }
	}
	if strings.HasSuffix(mechanism, "-PLUS") && c.Binding == "" {
		c.Binding, c.BindingData = "tls-unique", []byte("unique")
	}
	x, err := g.Start(t.Context(), p, mechanism)
	if err != nil {
		return login.Identity{}, err
	}
	said := c.Start()
	for range 4 {
		challenge, done, err := x.Next(said)
		if done && !c.Done() {
			t.Errorf("%s: the client has no proof of the server's", mechanism)
		}
		if done || err != nil {
			return x.Identity(), err
		}
		if said, err = c.Next(challenge); err != nil {
			return login.Identity{}, err
		}
	}
	t.Fatalf("%s does not end", mechanism)
	return login.Identity{}, nil
}

func TestMechanismsProve(t *testing.T) {
	g := whole(t, login.Options{})
	alice, bob := login.Identity{Account: 1, Name: "alice@example.test"}, login.Identity{Account: 2, Name: "bob@example.test"}
	digest := func(h func() hash.Hash, key, text string) string {
		mac := hmac.New(h, []byte(key))
		mac.Write([]byte(text))
		return hex.EncodeToString(mac.Sum(nil))
	}
	cram := func(user, secret string) (login.Identity, error) {
		x, err := g.Start(t.Context(), secure("imap", ""), "cram-md5")
		if err != nil {
			return login.Identity{}, err
		}
		challenge, _, err := x.Next(nil)
		if err != nil {
			return login.Identity{}, err
		}
		_, _, err = x.Next([]byte(user + " " + digest(md5.New, secret, string(challenge))))
		return x.Identity(), err
	}
	apop := func(user, secret string) (login.Identity, error) {
		p := secure("pop3", "")
		greeting := g.Greeting(p)
		sum := md5.Sum([]byte(greeting + secret))
		return g.APOP(t.Context(), p, greeting, user, hex.EncodeToString(sum[:]))
	}
	p := secure("imap", "nobody", "carol@example.test", "alice@example.test")
	for name, tc := range map[string]struct {
		got  func() (login.Identity, error)
		want login.Identity
		kind fault.Kind
	}{
		"plain": {func() (login.Identity, error) { return talk(t, g, p, "PLAIN", "\x00alice@example.test\x00secret") }, alice, 0},
		"login": {func() (login.Identity, error) { return talk(t, g, p, "LOGIN", "alice@example.test", "secret") }, alice, 0},
		"scram": {func() (login.Identity, error) {
			return scram(t, g, p, "SCRAM-SHA-256", sasl.ScramClient{User: "alice@example.test", Password: "secret"})
		}, alice, 0},
		"scram, as oneself": {func() (login.Identity, error) {
			return scram(t, g, p, "SCRAM-SHA-1", sasl.ScramClient{User: "Alice@example.test", Password: "secret", AuthzID: "alice@example.test"})
		}, alice, 0},
		"scram, as another": {func() (login.Identity, error) {
			return scram(t, g, p, "SCRAM-SHA-256", sasl.ScramClient{User: "alice@example.test", Password: "secret", AuthzID: "bob@example.test"})
		}, login.Identity{}, fault.Unauthenticated},
		"scram, wrong": {func() (login.Identity, error) {
			return scram(t, g, p, "SCRAM-SHA-256", sasl.ScramClient{User: "alice@example.test", Password: "Secret"})
		}, login.Identity{}, fault.Unauthenticated},
		"scram, nobody": {func() (login.Identity, error) {
			return scram(t, g, p, "SCRAM-SHA-1", sasl.ScramClient{User: "nobody@example.test", Password: "secret"})
		}, login.Identity{}, fault.Unauthenticated},
		"scram, bound": {func() (login.Identity, error) {
			return scram(t, g, p, "SCRAM-SHA-256-PLUS", sasl.ScramClient{User: "alice@example.test", Password: "secret"})
		}, alice, 0},
		"scram, bound elsewhere": {func() (login.Identity, error) {
			return scram(t, g, p, "SCRAM-SHA-1-PLUS", sasl.ScramClient{User: "alice@example.test", Password: "secret", Binding: "tls-unique", BindingData: []byte("x")})
		}, login.Identity{}, fault.Unauthenticated},
		"scram, downgraded": {func() (login.Identity, error) {
			return scram(t, g, p, "SCRAM-SHA-256", sasl.ScramClient{User: "alice@example.test", Password: "secret", Unseen: true})
		}, login.Identity{}, fault.Unauthenticated},
		"cram":         {func() (login.Identity, error) { return cram("bob@example.test", "secret") }, bob, 0},
		"cram, not so": {func() (login.Identity, error) { return cram("alice@example.test", "secret") }, login.Identity{}, fault.Unauthenticated},
		"cram, wrong":  {func() (login.Identity, error) { return cram("bob@example.test", "wrong") }, login.Identity{}, fault.Unauthenticated},
		"cram, nobody": {func() (login.Identity, error) { return cram("nobody@example.test", "secret") }, login.Identity{}, fault.Unauthenticated},
		"apop":         {func() (login.Identity, error) { return apop("bob@example.test", "secret") }, bob, 0},
		"apop, not so": {func() (login.Identity, error) { return apop("alice@example.test", "secret") }, login.Identity{}, fault.Unauthenticated},
		"apop, wrong":  {func() (login.Identity, error) { return apop("bob@example.test", "wrong") }, login.Identity{}, fault.Unauthenticated},
		"bearer": {func() (login.Identity, error) {
			return talk(t, g, p, "OAUTHBEARER", "n,,\x01auth=Bearer bob@example.test\x01\x01")
		}, bob, 0},
		"bearer, down": {func() (login.Identity, error) { return talk(t, g, p, "OAUTHBEARER", "n,,\x01auth=Bearer down\x01\x01") }, login.Identity{}, fault.Unavailable},
		"bearer, wrong": {func() (login.Identity, error) {
			return talk(t, g, p, "OAUTHBEARER", "n,,\x01auth=Bearer bad\x01\x01", "\x01")
		}, login.Identity{}, fault.Unauthenticated},
		"bearer, not here": {func() (login.Identity, error) {
			return talk(t, g, p, "OAUTHBEARER", "n,,\x01auth=Bearer carol@example.test\x01\x01", "\x01")
		}, login.Identity{}, fault.Unauthenticated},
		"bearer, another's": {func() (login.Identity, error) {
			return talk(t, g, p, "XOAUTH2", "user=alice@example.test\x01auth=Bearer bob@example.test\x01\x01", "")
		}, login.Identity{}, fault.Unauthenticated},
		"bearer, new here": {func() (login.Identity, error) {
			o := login.Options{Provision: true}
			return talk(t, whole(t, o), p, "OAUTHBEARER", "n,,\x01auth=Bearer newcomer@example.test\x01\x01")
		}, login.Identity{Account: 3, Name: "newcomer@example.test"}, 0},
		"bearer, new, but elsewhere": {func() (login.Identity, error) {
			o := login.Options{Provision: true}
			return talk(t, whole(t, o), p, "OAUTHBEARER", "n,,\x01auth=Bearer newcomer@remote.test\x01\x01", "\x01")
		}, login.Identity{}, fault.Unauthenticated},
		"bearer, gone from its directory": {func() (login.Identity, error) {
			o := login.Options{Directory: people(t), Provision: true}
			gone := addr.Address{Local: "gone", Domain: "example.test"}
			if _, err := o.Directory.Adopt(t.Context(), gone, "corp"); err != nil {
				t.Fatal(err)
			}
			return talk(t, whole(t, o), p, "OAUTHBEARER", "n,,\x01auth=Bearer gone@example.test\x01\x01", "\x01")
		}, login.Identity{}, fault.Unauthenticated},
		"xoauth2": {func() (login.Identity, error) {
			return talk(t, g, p, "XOAUTH2", "user=bob@example.test\x01auth=Bearer bob@example.test\x01\x01")
		}, bob, 0},
		"external":           {func() (login.Identity, error) { return talk(t, g, p, "EXTERNAL", "") }, alice, 0},
		"external, as":       {func() (login.Identity, error) { return talk(t, g, p, "EXTERNAL", "alice@example.test") }, alice, 0},
		"external, as other": {func() (login.Identity, error) { return talk(t, g, p, "EXTERNAL", "bob@example.test") }, login.Identity{}, fault.Unauthenticated},
		"external, by name": {func() (login.Identity, error) {
			return talk(t, g, secure("imap", "laptop", "alice@example.test"), "EXTERNAL", "")
		}, bob, 0},
		"external, nobody's": {func() (login.Identity, error) {
			return talk(t, g, secure("imap", "x", "x@example.test"), "EXTERNAL", "")
		}, login.Identity{}, fault.Unauthenticated},
		"external, nameless": {func() (login.Identity, error) {
			return talk(t, g, secure("imap", "x"), "EXTERNAL", "alice@example.test")
		}, login.Identity{}, fault.Unauthenticated},
		"anonymous":    {func() (login.Identity, error) { return talk(t, g, p, "ANONYMOUS", "me") }, login.Identity{}, fault.Unsupported},
		"apop is none": {func() (login.Identity, error) { return talk(t, g, secure("pop3", ""), "APOP", "me") }, login.Identity{}, fault.Unsupported},
	} {
		id, err := tc.got()
		if by := id.How.Mechanism; (by == "") == (err == nil) {
			t.Errorf("%s: known to be by %q", name, by)
		}
		id.How = login.How{}
		if id != tc.want || tc.kind == 0 && err != nil || tc.kind != 0 && !fault.Is(err, tc.kind) {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

// Who fails is told of once, whatever the mechanism, and a wrong proof costs at the guard.
func TestExchangesAreTold(t *testing.T) {
	w, h := &watch{}, &history{}
	g := whole(t, login.Options{Guard: w, Recorder: w, History: h})
	p := secure("imap", "", "alice@example.test")
	for _, tc := range []struct {
		mechanism string
		say       []string
		want      string
	}{
		{"PLAIN", []string{"\x00alice@example.test\x00wrong"}, "admit alice@example.test, failed alice@example.test, attempt alice@example.test"},
		{"OAUTHBEARER", []string{"n,a=alice@example.test,\x01auth=Bearer bad\x01\x01", "\x01"}, "admit alice@example.test, failed alice@example.test, attempt alice@example.test"},
		{"OAUTHBEARER", []string{"n,,\x01auth=\x01\x01", "\x01"}, "attempt "},
		{"EXTERNAL", []string{""}, "admit alice@example.test, in alice@example.test, attempt alice@example.test"},
		{"SCRAM-SHA-256", []string{"y,,n=alice@example.test,r=x"}, "attempt "},
		{"SCRAM-SHA-256", []string{"n,,n=alice@example.test,r=x", "c=biws,r=y,p=AAAA"}, "admit alice@example.test, failed alice@example.test, attempt alice@example.test"},
		{"PLAIN", []string{"nonsense"}, ""},
	} {
		w.told = nil
		talk(t, g, p, tc.mechanism, tc.say...)
		if got := strings.Join(w.told, ", "); got != tc.want {
			t.Errorf("%s %q: %s, want %s", tc.mechanism, tc.say, got, tc.want)
		}
	}
	if len(*h) != 5 {
		t.Errorf("the history has %d entries: %+v", len(*h), *h)
	}
}

func TestWhatIsOffered(t *testing.T) {
	usual := []string{"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1"}
	inClear := peer()
	inClear.TLS = nil
	bare := peer()
	bare.TLS = &tls.ConnectionState{Version: tls.VersionTLS12} // resumed: nothing to bind to
	shown := func(string) []*x509.Certificate {
		return []*x509.Certificate{{SignatureAlgorithm: x509.ECDSAWithSHA256, Raw: []byte("c")}}
	}
	for name, tc := range map[string]struct {
		o    login.Options
		p    login.Peer
		want []string
	}{
		"usual":              {login.Options{}, secure("imap", ""), usual},
		"bound":              {login.Options{Only: []string{"SCRAM-SHA-256-PLUS"}}, secure("imap", ""), []string{"SCRAM-SHA-256-PLUS"}},
		"nothing to bind to": {login.Options{Only: []string{"SCRAM-SHA-256-PLUS"}}, bare, nil},
		"keyless":            {login.Options{}, secure("imap", ""), []string{"PLAIN", "LOGIN"}},
		"keyless, named":     {login.Options{Only: []string{"PLAIN", "SCRAM-SHA-256"}}, secure("imap", ""), []string{"PLAIN", "SCRAM-SHA-256"}},
		"certificate":        {login.Options{Shown: shown, Only: []string{"SCRAM-SHA-256-PLUS"}}, bare, []string{"SCRAM-SHA-256-PLUS"}},
		"in clear":           {login.Options{}, inClear, nil},
		"in clear, allowed":  {login.Options{InClear: true}, inClear, []string{"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1"}},
		"without":            {login.Options{Without: []string{"LOGIN", "SCRAM-SHA-1"}}, secure("imap", ""), []string{"PLAIN", "SCRAM-SHA-256"}},
		"only":               {login.Options{Only: []string{"CRAM-MD5", "EXTERNAL", "OAUTHBEARER"}}, secure("imap", ""), []string{"CRAM-MD5"}},
		"tokens":             {login.Options{Tokens: tokens{}}, secure("imap", ""), append(slices.Clone(usual), "OAUTHBEARER", "XOAUTH2")},
		"certificates":       {login.Options{Certificates: true}, secure("imap", ""), append(slices.Clone(usual), "EXTERNAL")},
		"no certificate":     {login.Options{Certificates: true}, peer(), []string{"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1"}},
	} {
		if tc.o.Directory = users; strings.HasPrefix(name, "keyless") {
			tc.o.Directory = logintest.Users{Keyless: true}
		}
		g := login.New(tc.o)
		if got := g.Mechanisms(tc.p); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		if g.Passwords(tc.p) != (slices.Contains(tc.want, "PLAIN") || slices.Contains(tc.want, "LOGIN")) {
			t.Errorf("%s: passwords: %v", name, g.Passwords(tc.p))
		}
	}
	g := login.New(login.Options{Directory: users, Only: []string{"APOP"}, InClear: true, Hostname: "mail.example.test"})
	for protocol, want := range map[string]bool{"pop3": true, "imap": false} {
		if got := g.Greeting(secure(protocol, "")); (got != "") != want {
			t.Errorf("%s: greeting %q", protocol, got)
		}
	}
	if g := login.New(login.Options{Directory: users}); g.Greeting(secure("pop3", "")) != "" {
		t.Error("APOP is offered where nobody has asked for it")
	}
}

var _ login.Directory = (*directory.Directory)(nil)

func BenchmarkLogin(b *testing.B) {
	g := login.New(login.Options{Directory: people(b)})
	p := secure("imap", "")
	b.Run("password", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if id, err := g.Password(b.Context(), p, "", "alice@example.test", "secret"); err != nil || id.Account != store.AccountID(1) {
				b.Fatal(err)
			}
		}
	})
	b.Run("mechanisms", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.Mechanisms(p)
		}
	})
}
