package certs

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"posthorn/internal/kv/memkv"
)

// adviser is an authority that knows when to renew, and refuses all orders.
type adviser struct {
	*httptest.Server
	info     string // what it says of every certificate
	asked    []string
	replaces []string // of the orders
}

func newAdviser(t *testing.T) *adviser {
	a := &adviser{}
	a.Server = httptest.NewTLSServer(http.HandlerFunc(a.answer))
	t.Cleanup(a.Close)
	return a
}

func (a *adviser) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Replay-Nonce", "nonce")
	w.Header().Set("Content-Type", "application/json")
	switch path := r.URL.Path; {
	case path == "/dir":
		fmt.Fprintf(w, `{"newNonce":"%[1]s/nonce","newAccount":"%[1]s/account","newOrder":"%[1]s/order","renewalInfo":"%[1]s/renewal"}`, a.URL)
	case path == "/account":
		w.Header().Set("Location", a.URL+"/account/1")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"status":"valid"}`)
	case path == "/order":
		var envelope struct{ Payload string }
		var order struct{ Replaces string }
		_ = json.NewDecoder(r.Body).Decode(&envelope)
		payload, _ := base64.RawURLEncoding.DecodeString(envelope.Payload)
		_ = json.Unmarshal(payload, &order)
		a.replaces = append(a.replaces, order.Replaces)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"type":"urn:ietf:params:acme:error:unauthorized","detail":"not now"}`)
	case strings.HasPrefix(path, "/renewal/"):
		a.asked = append(a.asked, strings.TrimPrefix(path, "/renewal/"))
		w.Header().Set("Retry-After", "7200")
		fmt.Fprint(w, a.info)
	}
}

// TestAdvice: an authority is asked when to renew; if that is now, a certificate is asked
// for that takes the place of the other; the operator learns where that is explained.
func TestAdvice(t *testing.T) {
	authority, folder := newAdviser(t), newFolder(t)
	files := folder.write("mail", nil, "mail.example.test")
	chain, err := os.ReadFile(files.Certificate)
	key, err2 := os.ReadFile(files.Key)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	var log record
	set := New(time.Now, log.logger())
	set.Use(folder.read(Options{Hostname: "mail.example.test", SelfSign: true}))
	k := NewKeeper(set, memkv.New(memkv.Options{Rerun: true}), log.logger())
	roots := x509.NewCertPool()
	roots.AddCert(authority.Certificate())
	a := ACME{Directory: authority.URL + "/dir", Roots: roots, Names: []string{"mail.example.test"}, Challenge: HTTP01}
	k.Use(a)
	start, far := time.Now().Truncate(time.Second), time.Now().Add(1000*time.Hour)
	stored := order{Name: "mail.example.test", Directory: a.Directory, Chain: string(chain), Key: string(key), RenewAt: far, NotAfter: far}
	if err := k.vault.put(t.Context(), orderKey(stored.Name), stored); err != nil {
		t.Fatal(err)
	}
	certificate, err := stored.certificate()
	if err != nil {
		t.Fatal(err)
	}
	id, err := acme.ARIUniqueIdentifier(certificate.Leaf)
	if err != nil {
		t.Fatal(err)
	}

	authority.info = fmt.Sprintf(`{"suggestedWindow":{"start":%q,"end":%q},"explanationURL":"https://ca.test/why"}`,
		start.Add(-2*time.Hour).Format(time.RFC3339), start.Add(-time.Hour).Format(time.RFC3339))
	if next := k.round(t.Context()); next != time.Second || len(authority.replaces) > 0 {
		t.Errorf("after advice to renew at once: again in %v, %d orders", next, len(authority.replaces))
	}
	r, err := k.vault.order(t.Context(), stored.Name)
	ask := r.Advice.AskAt.Sub(start)
	if err != nil || !r.RenewAt.Before(start) || r.Owner != "" || ask < 2*time.Hour || ask > 3*time.Hour {
		t.Errorf("remembered %+v, %v", r, err)
	}
	if said := log.take(); !strings.Contains(said, "explanation=https://ca.test/why") {
		t.Errorf("said %s", said)
	}
	if states, err := k.States(t.Context()); err != nil || states[1].Why != "https://ca.test/why" {
		t.Errorf("states %+v, %v", states, err)
	}
	k.round(t.Context())
	k.round(t.Context()) // nothing is due
	if len(authority.asked) != 1 || authority.asked[0] != id || len(authority.replaces) != 1 || authority.replaces[0] != id {
		t.Errorf("asked about %q, ordered in place of %q; want %q, once each", authority.asked, authority.replaces, id)
	}
	if _, err := k.Renew(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	k.round(t.Context())
	if len(authority.replaces) != 2 || len(authority.asked) != 1 {
		t.Errorf("when the operator asks: %d orders, asked %d times", len(authority.replaces), len(authority.asked))
	}
}

// TestAdvised: whatever an authority suggests, renewal comes before the alarm, and it is
// asked again neither in a hurry nor never.
func TestAdvised(t *testing.T) {
	now := time.Unix(1e9, 0)
	latest, plan := now.Add(60*24*time.Hour), now.Add(30*24*time.Hour)
	window := func(start, retry time.Duration, why string) (i acme.RenewalInfo) {
		i.SuggestedWindow.Start, i.SuggestedWindow.End = now.Add(start), now.Add(start+time.Hour)
		i.SelectedTime, i.ExplanationURL = now.Add(start+time.Minute), why
		if retry != 0 {
			i.RetryAfter = new(now.Add(retry))
		}
		return i
	}
	old := order{Owner: "us", Until: now.Add(time.Minute), RenewAt: plan}
	known := old.advised(window(10*time.Hour, 0, ""), nil, latest, now)
	for name, tc := range map[string]struct {
		order  order
		info   acme.RenewalInfo
		err    error
		renew  time.Time
		wait   time.Duration
		reason string
	}{
		"soon":                {old, window(10*time.Hour, time.Hour, "https://x.test/a"), nil, now.Add(10*time.Hour + time.Minute), time.Hour, "https://x.test/a"},
		"at once":             {old, window(-10*time.Hour, 0, ""), nil, now.Add(-10*time.Hour + time.Minute), adviceUsually, ""},
		"too late":            {old, window(10000*time.Hour, 0, ""), nil, latest, adviceUsually, ""},
		"in a hurry":          {old, window(time.Hour, -time.Hour, ""), nil, now.Add(time.Hour + time.Minute), adviceOften, ""},
		"in a century":        {old, window(time.Hour, 1e6*time.Hour, ""), nil, now.Add(time.Hour + time.Minute), adviceRarely, ""},
		"nothing":             {old, acme.RenewalInfo{}, acme.ErrUnsupported, plan, adviceUsually, ""},
		"nothing any more":    {known, acme.RenewalInfo{}, errors.New("down"), known.RenewAt, adviceUsually, ""},
		"the same":            {known, func() acme.RenewalInfo { i := window(10*time.Hour, 0, ""); i.SelectedTime = now; return i }(), nil, known.RenewAt, adviceUsually, ""},
		"a strange reason":    {old, window(time.Hour, 0, "javascript:alert(1)"), nil, now.Add(time.Hour + time.Minute), adviceUsually, ""},
		"another":             {old, window(time.Hour, 0, "https://x.test/\x1b[2J"), nil, now.Add(time.Hour + time.Minute), adviceUsually, ""},
		"and a very long one": {old, window(time.Hour, 0, "https://x.test/"+strings.Repeat("x", 600)), nil, now.Add(time.Hour + time.Minute), adviceUsually, ""},
	} {
		got := tc.order.advised(tc.info, tc.err, latest, now)
		if !got.RenewAt.Equal(tc.renew) || got.Advice.AskAt.Sub(now) != tc.wait || got.Advice.Explanation != tc.reason || got.Owner != "" || !got.Until.IsZero() {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestNext: whoever has a certificate is asked about it, but not about one that has ended
// or is another's.
func TestNext(t *testing.T) {
	now := time.Unix(1e9, 0)
	here := ACME{Directory: "https://a.test/dir"}
	later, soon := now.Add(10*time.Hour), now.Add(time.Hour)
	good := order{Chain: "x", Directory: here.Directory, RenewAt: later, NotAfter: later.Add(time.Hour)}
	with := func(change func(*order)) order { r := good; change(&r); return r }
	for name, tc := range map[string]struct {
		order order
		want  time.Time
	}{
		"not asked yet":     {good, time.Time{}},
		"asked":             {with(func(r *order) { r.Advice.AskAt = soon }), soon},
		"due before that":   {with(func(r *order) { r.Advice.AskAt = later.Add(time.Minute) }), later},
		"somebody is at it": {with(func(r *order) { r.Until = soon }), soon},
		"has ended":         {with(func(r *order) { r.NotAfter, r.Next = now, soon; r.RenewAt = now }), soon},
		"another's":         {with(func(r *order) { r.Directory = "https://b.test/" }), now},
		"none yet":          {order{}, now},
	} {
		if got := tc.order.next(here, now); !got.Equal(tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
