package openid_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/openid"
	"posthorn/internal/openid/openidtest"
)

// claims are good ones, changed.
func claims(p *openidtest.Provider, change map[string]any) map[string]any {
	all := map[string]any{
		"iss": p.Issuer(), "aud": []string{"mail", "others"}, "sub": "42", "email": "alice@example.test",
		"scope": "openid mail", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
	}
	maps.Copy(all, change)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

func TestSigned(t *testing.T) {
	p, other := openidtest.New(t), openidtest.New(t)
	v := openid.New(openid.Options{Issuer: p.Issuer(), Audience: "mail", Scope: "mail", Roots: p.Roots()})
	good := p.Token(claims(p, nil))
	for name, tc := range map[string]struct {
		token string
		want  string // address; "": wrong
	}{
		"good":              {good, "alice@example.test"},
		"verified":          {p.Token(claims(p, map[string]any{"email_verified": true})), "alice@example.test"},
		"one audience, scp": {p.Token(claims(p, map[string]any{"aud": "mail", "scope": nil, "scp": []string{"mail"}})), "alice@example.test"},
		"not verified":      {p.Token(claims(p, map[string]any{"email_verified": false})), ""},
		"expired":           {p.Token(claims(p, map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})), ""},
		"not yet":           {p.Token(claims(p, map[string]any{"nbf": time.Now().Add(time.Hour).Unix()})), ""},
		"no expiry":         {p.Token(claims(p, map[string]any{"exp": nil})), ""},
		"other audience":    {p.Token(claims(p, map[string]any{"aud": "web"})), ""},
		"no audience":       {p.Token(claims(p, map[string]any{"aud": nil})), ""},
		"other issuer":      {p.Token(claims(p, map[string]any{"iss": "https://evil.test"})), ""},
		"other scope":       {p.Token(claims(p, map[string]any{"scope": "mailbox"})), ""},
		"no address":        {p.Token(claims(p, map[string]any{"email": nil})), ""},
		"address a number":  {p.Token(claims(p, map[string]any{"email": 7})), ""},
		"another's key":     {other.Token(claims(p, nil)), ""},
		"not signed":        {unsigned(good), ""},
		"cut":               {good[:len(good)-9], ""},
		"garbage":           {"garbage", ""},
		"empty":             {"", ""},
	} {
		address, err := v.Verify(t.Context(), tc.token)
		if tc.want != "" && (err != nil || address != tc.want) || tc.want == "" && !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %q, %v", name, address, err)
		}
		if err != nil && strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: the token is in the error: %v", name, err)
		}
	}
	if n := p.Requests("/keys"); n > 2 {
		t.Errorf("keys were fetched %d times", n)
	}
	d := v.Discovery()
	if d.Configuration != p.Issuer()+"/.well-known/openid-configuration" || d.Scope != "mail" {
		t.Errorf("%+v", d)
	}
}

// unsigned says that the algorithm is "none".
func unsigned(token string) string {
	parts := strings.Split(token, ".")
	return "eyJhbGciOiJub25lIn0." + parts[1] + "."
}

func TestKeysAreRotated(t *testing.T) {
	p, now := openidtest.New(t), time.Now()
	v := openid.New(openid.Options{Issuer: p.Issuer(), Audience: "mail", Roots: p.Roots(), Clock: func() time.Time { return now }})
	verify := func(want fault.Kind, token string) {
		t.Helper()
		if _, err := v.Verify(t.Context(), token); want == 0 && err != nil || want != 0 && !fault.Is(err, want) {
			t.Errorf("%v", err)
		}
	}
	verify(0, p.Token(claims(p, nil)))
	p.Rotate("second")
	verify(fault.Unauthenticated, p.Token(claims(p, nil))) // it was just asked
	now = now.Add(11 * time.Second)
	verify(0, p.Token(claims(p, nil)))
	// Whoever makes tokens up does not have us ask for each of them.
	p.Rotate("third")
	for i := range 100 {
		verify(fault.Unauthenticated, p.Token(claims(p, map[string]any{"n": i})))
	}
	if n := p.Requests("/keys"); n != 2 {
		t.Errorf("keys were fetched %d times", n)
	}
}

func TestGoodTokensAreRemembered(t *testing.T) {
	p, now := openidtest.New(t), time.Now()
	v := openid.New(openid.Options{Issuer: p.Issuer(), Introspect: true, ClientID: openidtest.Client, ClientSecret: openidtest.Secret, Roots: p.Roots(), Clock: func() time.Time { return now }})
	p.Opaque("t1", claims(p, map[string]any{"active": true, "exp": now.Add(time.Minute).Unix()}))
	p.Opaque("t2", claims(p, map[string]any{"active": true, "exp": nil}))
	asked := func(token string, want int, kind fault.Kind) {
		t.Helper()
		before := p.Requests("/introspect")
		address, err := v.Verify(t.Context(), token)
		if kind == 0 && (err != nil || address != "alice@example.test") || kind != 0 && !fault.Is(err, kind) || p.Requests("/introspect")-before != want {
			t.Errorf("%s: %q, %v, after %d questions", token, address, err, p.Requests("/introspect")-before)
		}
	}
	asked("t1", 1, 0)
	asked("t1", 0, 0)
	asked("t2", 1, 0)
	asked("t3", 1, fault.Unauthenticated)
	now = now.Add(61 * time.Second) // t1 has expired
	asked("t1", 1, fault.Unauthenticated)
	asked("t2", 0, 0)
	p.Opaque("t2", nil) // it is revoked
	now = now.Add(5 * time.Minute)
	asked("t2", 1, fault.Unauthenticated)
}

func TestIntrospection(t *testing.T) {
	p := openidtest.New(t)
	v := openid.New(openid.Options{Issuer: p.Issuer(), Audience: "mail", Introspect: true, ClientID: openidtest.Client, ClientSecret: openidtest.Secret, Claim: "username", Roots: p.Roots()})
	for i, tc := range []struct {
		change map[string]any
		want   fault.Kind
	}{
		{map[string]any{"active": true, "username": "bob@example.test"}, 0},
		{map[string]any{"active": true, "username": "bob@example.test", "iss": nil}, 0},
		{map[string]any{"active": false, "username": "bob@example.test"}, fault.Unauthenticated},
		{map[string]any{"active": "true", "username": "bob@example.test"}, fault.Unauthenticated},
		{map[string]any{"active": true, "username": "bob@example.test", "aud": nil}, fault.Unauthenticated},
		{map[string]any{"active": true, "username": "bob@example.test", "iss": "https://evil.test"}, fault.Unauthenticated},
		{map[string]any{"active": true, "username": "bob@example.test", "exp": 1}, fault.Unauthenticated},
		{map[string]any{"active": true}, fault.Unauthenticated},
	} {
		token := fmt.Sprint("token", i)
		p.Opaque(token, claims(p, tc.change))
		address, err := v.Verify(t.Context(), token)
		if tc.want == 0 && (err != nil || address != "bob@example.test") || tc.want != 0 && !fault.Is(err, tc.want) {
			t.Errorf("%v: %q, %v", tc.change, address, err)
		}
	}
}

func TestProviderIsDown(t *testing.T) {
	p, now := openidtest.New(t), time.Now()
	for _, introspect := range []bool{false, true} {
		v := openid.New(openid.Options{
			Issuer: p.Issuer(), Audience: "mail", Introspect: introspect, ClientID: openidtest.Client, ClientSecret: openidtest.Secret,
			Roots: p.Roots(), Clock: func() time.Time { return now },
		})
		token := p.Token(claims(p, nil))
		p.Opaque(token, claims(p, map[string]any{"active": true}))
		p.Down(true)
		for range 3 {
			if _, err := v.Verify(t.Context(), token); !fault.Is(err, fault.Unavailable) {
				t.Errorf("down: %v", err)
			}
		}
		p.Down(false)
		now = now.Add(11 * time.Second)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("up again: %v", err)
		}
		p.Down(true)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("proven before it went down: %v", err)
		}
		p.Rotate("new")
		now = now.Add(11 * time.Second)
		if _, err := v.Verify(t.Context(), p.Token(claims(p, nil))); !fault.Is(err, fault.Unavailable) {
			t.Errorf("down, with a new key: %v", err)
		}
		p.Down(false)
		now = now.Add(11 * time.Second)
	}
	// Somebody else's certificate.
	v := openid.New(openid.Options{Issuer: p.Issuer(), Audience: "mail"})
	if _, err := v.Verify(t.Context(), "token"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("not trusted: %v", err)
	}
}
