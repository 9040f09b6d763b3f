package dkim

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"posthorn/internal/fault"
)

func TestKeys(t *testing.T) {
	for _, a := range Algorithms() {
		private, err := GenerateKey(a)
		if err != nil {
			t.Fatal(err)
		}
		der, err := MarshalPrivate(private)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParsePrivate(der)
		if err != nil {
			t.Fatal(err)
		}
		record, err := PublicRecord(again)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := ParseRecord(record.String())
		if err != nil || !parsed.Same(record) || parsed.Algorithm != a {
			t.Errorf("%s: %v, %+v", record, err, parsed)
		}
		if !strings.HasPrefix(record.String(), "v=DKIM1; k="+string(a)+"; p=") {
			t.Errorf("record %s", record)
		}
	}
	if _, err := GenerateKey("dsa"); !fault.Is(err, fault.Internal) {
		t.Errorf("a key of an algorithm that is not there: %v", err)
	}
	if _, err := ParsePrivate([]byte("x")); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a damaged key: %v", err)
	}
}

func TestParseRecord(t *testing.T) {
	public := []byte("0123456789abcdef0123456789abcdef")
	p := base64.StdEncoding.EncodeToString(public)
	for text, want := range map[string]Record{
		"v=DKIM1; k=ed25519; p=" + p: {Algorithm: Ed25519, Public: public},
		"p=" + p:                     {Algorithm: RSA, Public: public},
		"v=DKIM1;k=rsa;h=sha1:sha256;s=email;t=y:s;p=" + p + ";":  {Algorithm: RSA, Public: public, Strict: true, Testing: true},
		"v = DKIM1 ; n=a note; s=*; p=" + p[:20] + " \t" + p[20:]: {Algorithm: RSA, Public: public},
		"v=DKIM1; p=":              {Algorithm: RSA},
		"v=DKIM1; k=later; p=" + p: {Algorithm: "later", Public: public},
	} {
		got, err := ParseRecord(text)
		if err != nil || !got.Same(want) || got.Testing != want.Testing || got.Strict != want.Strict {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                          "no p=",
		"v=spf1 mx -all":            "v=spf1",
		"v=DKIM2; p=" + p:           "v=DKIM2",
		"v=DKIM1; k=rsa":            "no p=",
		"v=DKIM1; p=!":              "base64",
		"v=DKIM1; s=tlsrpt; p=" + p: "not for mail",
		"v=DKIM1; h=sha1; p=" + p:   "not for sha256",
		"p=" + p + "; p=" + p:       "no list of tags",
	} {
		if got, err := ParseRecord(text); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("v=DKIM1; k=rsa; p=MIIB; t=y:s; h=sha256; n=x")
	f.Add("v=DKIM1;;=;p")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRecord(text)
		if err != nil {
			return
		}
		again, err := ParseRecord(r.String())
		if err == nil && (!bytes.Equal(again.Public, r.Public) || again.Testing != r.Testing || again.Strict != r.Strict) {
			t.Errorf("%q is %+v, then %+v", text, r, again)
		}
	})
}
