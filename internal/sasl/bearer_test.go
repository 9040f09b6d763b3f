package sasl

import (
	"encoding/json"
	"strings"
	"testing"

	"posthorn/internal/fault"
)

// good lets the token "good" in, for alice.
func good(authzid, token string) error {
	switch {
	case token == "down":
		return fault.New(fault.Unavailable, "the provider is down")
	case token != "good" || authzid != "" && authzid != "alice":
		return errWrong
	}
	return nil
}

const (
	newOAuthBearer = "OAUTHBEARER"
	newXOAuth2     = "XOAUTH2"
)

func bearerServer(name string) Server {
	d := Discovery{Scope: "mail", Configuration: "https://id.example.test/.well-known/openid-configuration"}
	if name == newXOAuth2 {
		return NewXOAuth2(d, good)
	}
	return NewOAuthBearer(d, good)
}

func TestBearer(t *testing.T) {
	for _, tc := range []struct {
		mechanism, said string
		want            fault.Kind
	}{
		{newOAuthBearer, "n,,\x01auth=Bearer good\x01\x01", 0},
		{newOAuthBearer, "y,a=alice,\x01host=mail\x01port=143\x01auth=bearer  good\x01\x01", 0},
		{newOAuthBearer, "n,a=bob,\x01auth=Bearer good\x01\x01", fault.Unauthenticated},
		{newOAuthBearer, "n,a=alice,\x01auth=Bearer bad\x01\x01", fault.Unauthenticated},
		{newOAuthBearer, "n,a=alice,\x01auth=\x01\x01", fault.Unauthenticated}, // RFC 7628 §4.3
		{newOAuthBearer, "n,,\x01\x01", fault.Unauthenticated},
		{newOAuthBearer, "n,,\x01auth=Bearer down\x01\x01", fault.Unavailable},
		{newOAuthBearer, "", fault.Invalid},
		{newOAuthBearer, "n,,", fault.Invalid},
		{newOAuthBearer, "n,,\x01", fault.Invalid},
		{newOAuthBearer, "n,,\x01auth=Bearer good\x01", fault.Invalid},
		{newOAuthBearer, "n,,\x01auth=Bearer good", fault.Invalid},
		{newOAuthBearer, "n,,\x01auth=Bearer good\x01auth=Bearer good\x01\x01", fault.Invalid},
		{newOAuthBearer, "n,,\x01" + strings.Repeat("\x01", 100), fault.Invalid},
		{newOAuthBearer, "p=tls-exporter,,\x01auth=Bearer good\x01\x01", fault.Invalid},
		{newOAuthBearer, "n,a=al=ice,\x01auth=Bearer good\x01\x01", fault.Invalid},
		{newOAuthBearer, "n,,x\x01auth=Bearer good\x01\x01", fault.Invalid},
		{newOAuthBearer, "n,,\x01auth=Basic good\x01\x01", fault.Invalid},
		{newOAuthBearer, "n,,\x01auth=Bearer go od\x01\x01", fault.Invalid},
		{newOAuthBearer, "n,,\x01auth=Bearer g\x00od\x01\x01", fault.Invalid},
		{newOAuthBearer, "n,,\x01auth=Bearer " + strings.Repeat("x", maxToken) + "\x01\x01", fault.Invalid},
		{newXOAuth2, "user=alice\x01auth=Bearer good\x01\x01", 0},
		{newXOAuth2, "user=bob\x01auth=Bearer good\x01\x01", fault.Unauthenticated},
		{newXOAuth2, "user=alice\x01auth=Bearer bad\x01\x01", fault.Unauthenticated},
		{newXOAuth2, "auth=Bearer good\x01\x01", fault.Invalid},
		{newXOAuth2, "user=alice\x01auth=Bearer good\x01", fault.Invalid},
		{newXOAuth2, "user=al\x00ice\x01auth=Bearer good\x01\x01", fault.Invalid},
	} {
		for _, initial := range []bool{true, false} {
			s := bearerServer(tc.mechanism)
			if !initial {
				if challenge, done, err := s.Next(nil); len(challenge) > 0 || challenge == nil || done || err != nil {
					t.Fatalf("%s: %q, %v, %v", tc.mechanism, challenge, done, err)
				}
			}
			challenge, done, err := s.Next([]byte(tc.said))
			if tc.want == fault.Unauthenticated {
				var told map[string]string
				if err != nil || done || json.Unmarshal(challenge, &told) != nil || told["status"] == "" || told["scope"] != "mail" {
					t.Errorf("%s %q: told %s, %v", tc.mechanism, tc.said, challenge, err)
				}
				if (told["openid-configuration"] != "") != (tc.mechanism == newOAuthBearer) {
					t.Errorf("%s: told %s", tc.mechanism, challenge)
				}
				_, done, err = s.Next([]byte("\x01"))
			}
			if tc.want == 0 && (!done || err != nil) || tc.want != 0 && (done || !fault.Is(err, tc.want)) {
				t.Errorf("%s %.60q: %v, %v", tc.mechanism, tc.said, done, err)
			}
		}
	}
}

func TestExternal(t *testing.T) {
	for said, want := range map[string]fault.Kind{
		"": 0, "alice@example.test": 0, "bob": fault.Unauthenticated, "a\x00b": fault.Invalid, strings.Repeat("x", maxField+1): fault.Invalid,
	} {
		s := NewExternal(func(authzid string) error {
			if authzid != "" && authzid != "alice@example.test" {
				return errWrong
			}
			return nil
		})
		if challenge, done, err := s.Next(nil); len(challenge) > 0 || done || err != nil {
			t.Fatalf("%q, %v, %v", challenge, done, err)
		}
		_, done, err := s.Next([]byte(said))
		if want == 0 && (!done || err != nil) || want != 0 && !fault.Is(err, want) {
			t.Errorf("%.40q: %v, %v", said, done, err)
		}
	}
}
