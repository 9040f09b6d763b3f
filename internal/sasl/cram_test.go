package sasl

import (
	"strings"
	"testing"
	"time"

	"posthorn/internal/fault"
)

// knows lets Tim in (RFC 2195 §2), and mrose (RFC 1939 §7).
func knows(d Digest) error {
	secret := map[string]string{"tim": "tanstaaftanstaaf", "mrose": "tanstaaf", "a b": "x"}[d.User]
	if secret == "" || !d.Match([]byte(secret)) {
		return errWrong
	}
	return nil
}

func TestCramMD5(t *testing.T) {
	const challenge = "<1896.697170952@postoffice.reston.mci.net>"
	for said, want := range map[string]fault.Kind{
		"tim b913a602c7eda7a495b4e6e7334d3890":    0,
		"tim B913A602C7EDA7A495B4E6E7334D3890":    0,
		"tim b913a602c7eda7a495b4e6e7334d3891":    fault.Unauthenticated,
		"nobody b913a602c7eda7a495b4e6e7334d3890": fault.Unauthenticated,
		"tim": fault.Invalid, "": fault.Invalid, "tim ": fault.Invalid, "tim b913a602": fault.Invalid, "tim x913a602c7eda7a495b4e6e7334d3890": fault.Invalid,
		" b913a602c7eda7a495b4e6e7334d3890": fault.Invalid, "t\x00m b913a602c7eda7a495b4e6e7334d3890": fault.Invalid,
		strings.Repeat("x", maxField+1) + " b913a602c7eda7a495b4e6e7334d3890": fault.Invalid,
	} {
		s := NewCramMD5(challenge, knows)
		asked, done, err := s.Next(nil)
		if string(asked) != challenge || done || err != nil {
			t.Fatalf("%s, %v, %v", asked, done, err)
		}
		_, done, err = s.Next([]byte(said))
		if want == 0 && (!done || err != nil) || want != 0 && !fault.Is(err, want) {
			t.Errorf("%q: %v, %v", said, done, err)
		}
	}
	if _, _, err := NewCramMD5(challenge, knows).Next([]byte("tim b913a602c7eda7a495b4e6e7334d3890")); !fault.Is(err, fault.Invalid) {
		t.Errorf("an answer before the challenge: %v", err)
	}
}

func TestAPOP(t *testing.T) {
	const challenge = "<1896.697170952@dbc.mtview.ca.us>"
	for said, want := range map[string]fault.Kind{
		"mrose c4c9334bac560ecc979e58001b3e22fb":  0,
		"mrose c4c9334bac560ecc979e58001b3e22fc":  fault.Unauthenticated,
		"nobody c4c9334bac560ecc979e58001b3e22fb": fault.Unauthenticated,
		"mrose c4c9334b":                    fault.Invalid,
		"mrose ":                            fault.Invalid,
		" c4c9334bac560ecc979e58001b3e22fb": fault.Invalid,
	} {
		user, digest, _ := strings.Cut(said, " ")
		d, err := APOP(challenge, user, digest)
		if err == nil {
			err = knows(d)
		}
		if want == 0 && err != nil || want != 0 && !fault.Is(err, want) {
			t.Errorf("%q: %v", said, err)
		}
	}
}

func TestChallenge(t *testing.T) {
	now := time.Unix(1234, 0)
	a, b := Challenge("mail.example.test", now), Challenge("mail.example.test", now)
	if a == b || !strings.HasPrefix(a, "<") || !strings.HasSuffix(a, ".1234@mail.example.test>") {
		t.Errorf("%s, %s", a, b)
	}
}
