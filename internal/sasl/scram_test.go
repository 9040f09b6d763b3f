package sasl

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"strings"
	"testing"

	"posthorn/internal/fault"
)

// keysOf is what a directory keeps of passwords.
func keysOf(h func() hash.Hash, salt string, iterations int, passwords ...string) ScramKeys {
	k := ScramKeys{Salt: []byte(salt), Iterations: iterations}
	mac := func(key []byte, text string) []byte {
		m := hmac.New(h, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	for _, p := range passwords {
		salted, err := pbkdf2.Key(h, p, k.Salt, iterations, h().Size())
		if err != nil {
			panic(err)
		}
		stored := h()
		stored.Write(mac(salted, "Client Key"))
		k.Keys = append(k.Keys, ScramKey{Stored: stored.Sum(nil), Server: mac(salted, "Server Key")})
	}
	return k
}

// user knows "user", whose passwords are pencil and crayon.
func user(h func() hash.Hash, salt string) Scram {
	keys := keysOf(h, salt, 4096, "pencil", "crayon")
	return Scram{
		Hash: h,
		Keys: func(authzid, user string) (ScramKeys, error) {
			if user != "user" {
				return ScramKeys{Salt: []byte("made up"), Iterations: 4096}, nil
			}
			return keys, nil
		},
		Verify: func(key int) error {
			if key == NoKey {
				return errWrong
			}
			return nil
		},
	}
}

// TestScramExamples plays the examples of the standards.
func TestScramExamples(t *testing.T) {
	for _, tc := range []struct {
		hash        func() hash.Hash
		salt, nonce string
		say         []string
	}{
		{sha1.New, "QSXCR+Q6sek8bf92", "3rfcNHYJY1ZVvWVs7j", []string{ // RFC 5802 §5
			"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		}},
		{sha256.New, "W22ZaJ0SNY7soEsUEjb6gQ==", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", []string{ // RFC 7677 §3
			"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		}},
	} {
		salt, err := base64.StdEncoding.DecodeString(tc.salt)
		if err != nil {
			t.Fatal(err)
		}
		s := newScram(user(tc.hash, string(salt)), tc.nonce)
		c := &ScramClient{Hash: tc.hash, User: "user", Password: "pencil"}
		_, cnonce, _ := strings.Cut(tc.say[0], "r=")
		said := c.start(cnonce)
		for i := 0; i < len(tc.say); i += 2 {
			if string(said) != tc.say[i] {
				t.Fatalf("the client says %s, want %s", said, tc.say[i])
			}
			challenge, done, err := s.Next(said)
			if err != nil || done || string(challenge) != tc.say[i+1] {
				t.Fatalf("the server says %s, %v, %v; want %s", challenge, done, err, tc.say[i+1])
			}
			if said, err = c.Next(challenge); err != nil {
				t.Fatal(err)
			}
		}
		if _, done, err := s.Next(said); !done || err != nil || !c.Done() {
			t.Errorf("in the end: %v, %v; the client %v", done, err, c.Done())
		}
	}
}

// play lets client and server talk until either has had enough.
func play(s Server, c *ScramClient) error {
	said := c.Start()
	for range 5 {
		challenge, done, err := s.Next(said)
		if err != nil || done {
			return err
		}
		if said, err = c.Next(challenge); err != nil {
			return err
		}
	}
	return errors.New("no end")
}

func TestScramLogins(t *testing.T) {
	bound := user(sha256.New, "salt")
	bound.OffersPlus = true
	bound.Bindings = func(kind string) [][]byte {
		if kind == "tls-exporter" {
			return [][]byte{[]byte("another"), []byte("data, of the connection")}
		}
		return nil
	}
	plus := bound
	plus.Plus = true
	data := []byte("data, of the connection")
	for name, tc := range map[string]struct {
		server Scram
		client ScramClient
		want   fault.Kind
	}{
		"password":              {user(sha256.New, "salt"), ScramClient{User: "user", Password: "pencil"}, 0},
		"second password":       {user(sha1.New, "salt"), ScramClient{User: "user", Password: "crayon"}, 0},
		"as oneself":            {user(sha1.New, "salt"), ScramClient{User: "user", Password: "crayon", AuthzID: "us,er="}, 0},
		"wrong":                 {user(sha256.New, "salt"), ScramClient{User: "user", Password: "pen"}, fault.Unauthenticated},
		"nobody":                {user(sha256.New, "salt"), ScramClient{User: "nobody", Password: "pencil"}, fault.Unauthenticated},
		"no binding":            {bound, ScramClient{User: "user", Password: "pencil"}, 0},
		"downgraded":            {bound, ScramClient{User: "user", Password: "pencil", Unseen: true}, fault.Unauthenticated},
		"unseen, not offered":   {user(sha256.New, "salt"), ScramClient{User: "user", Password: "pencil", Unseen: true}, 0},
		"bound":                 {plus, ScramClient{User: "user", Password: "pencil", Binding: "tls-exporter", BindingData: data}, 0},
		"bound elsewhere":       {plus, ScramClient{User: "user", Password: "pencil", Binding: "tls-exporter", BindingData: []byte("other")}, fault.Unauthenticated},
		"bound to nothing":      {plus, ScramClient{User: "user", Password: "pencil", Binding: "tls-exporter"}, fault.Unauthenticated},
		"bound in another way":  {plus, ScramClient{User: "user", Password: "pencil", Binding: "tls-unique", BindingData: data}, fault.Invalid},
		"PLUS, not bound":       {plus, ScramClient{User: "user", Password: "pencil"}, fault.Invalid},
		"bound without PLUS":    {bound, ScramClient{User: "user", Password: "pencil", Binding: "tls-exporter", BindingData: data}, fault.Invalid},
		"PLUS where it is not":  {Scram{Plus: true}, ScramClient{User: "user", Password: "pencil", Binding: "tls-exporter"}, fault.Invalid},
		"binding without flag":  {bound, ScramClient{User: "user", Password: "pencil", BindingData: data}, fault.Unauthenticated},
		"keys that are no keys": {Scram{Keys: func(string, string) (ScramKeys, error) { return ScramKeys{}, nil }}, ScramClient{User: "user"}, fault.Corrupt},
		"huge iteration count":  {Scram{Keys: func(string, string) (ScramKeys, error) { return ScramKeys{Salt: []byte("x"), Iterations: 1 << 40}, nil }}, ScramClient{User: "user"}, fault.Corrupt},
	} {
		tc.client.Hash = tc.server.Hash
		if tc.client.Hash == nil {
			tc.client.Hash = sha256.New
		}
		err := play(NewScram(tc.server), &tc.client)
		if tc.want == 0 && (err != nil || !tc.client.Done()) || tc.want != 0 && !fault.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestScramReplay says again what another client has said: the nonce is another.
func TestScramReplay(t *testing.T) {
	o := user(sha256.New, "salt")
	var proofs int
	verify := o.Verify
	o.Verify = func(key int) error {
		proofs++
		return verify(key)
	}
	c := &ScramClient{Hash: sha256.New, User: "user", Password: "pencil"}
	first := c.Start()
	one := NewScram(o)
	challenge, _, err := one.Next(first)
	if err != nil {
		t.Fatal(err)
	}
	final, err := c.Next(challenge)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := one.Next(final); err != nil {
		t.Fatal(err)
	}
	two := NewScram(o)
	again, _, err := two.Next(first)
	if err != nil || bytes.Equal(again, challenge) {
		t.Fatalf("%s, %v", again, err)
	}
	if _, _, err := two.Next(final); !fault.Is(err, fault.Unauthenticated) || !errors.Is(err, errWrong) || proofs != 2 {
		t.Errorf("replayed: %v after %d proofs", err, proofs)
	}
	// The nonce put right, the proof does not fit.
	three := NewScram(o)
	again, _, err = three.Next(first)
	if err != nil {
		t.Fatal(err)
	}
	nonce, _, _ := strings.Cut(string(again), ",")
	_, proof, _ := strings.Cut(string(final), ",p=")
	if _, _, err := three.Next([]byte("c=biws," + nonce + ",p=" + proof)); !errors.Is(err, errWrong) {
		t.Errorf("replayed proof: %v", err)
	}
}

// TestScramNeverTwice: a failed exchange gives no second try, and what is made up for
// nobody looks like anybody's.
func TestScramMadeUp(t *testing.T) {
	answer := func(name string) string {
		challenge, _, err := NewScram(user(sha1.New, "salt")).Next([]byte("n,,n=" + name + ",r=abc"))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(challenge), ",")
		return rest
	}
	if a, b := answer("nobody"), answer("nobody"); a != b || len(strings.Split(a, ",")) != len(strings.Split(answer("user"), ",")) {
		t.Errorf("%s, then %s", a, b)
	}
}

func TestScramMalformed(t *testing.T) {
	for _, first := range []string{
		"", "n", "n,", "n,,", "n,,n=user", "x,,n=user,r=a", "p,,n=user,r=a", "p=,,n=user,r=a", "p=a b,,n=user,r=a", "nn,,n=user,r=a",
		"n,b=c,n=user,r=a", "n,a=,n=user,r=a", "n,,m=x,n=user,r=a", "n,,n=user,m=x,r=a", "n,,n=,r=a", "n,,n=us=er,r=a", "n,,n=us=2cer,r=a",
		"n,,n=user,r=", "n,,n=user,r=\x7f", "n,,n=user,r=ü", "n,,n=user,s=a", "n,,n=user,r=a,", "n,,n=user,r=a,m=x", "n,,n=user,r=a,x", "n,,n=us\x00er,r=a",
		"n,,n=\xff,r=a", "n,,n=user,r=" + strings.Repeat("a", maxNonce+1), "n,,n=" + strings.Repeat("a", maxField+1) + ",r=a", strings.Repeat("a", maxScram+1),
	} {
		if _, _, err := NewScram(user(sha256.New, "salt")).Next([]byte(first)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.40q: %v", first, err)
		}
	}
	for _, final := range []string{
		"", "c=biws", "c=biws,p=YQ==", "p=YQ==", "c=biws,r=aNONCE", "c=biws,r=aNONCE,p=Y", "c=biws,r=aNONCE,p=YQ==,x=y", "c=!,r=aNONCE,p=YQ==",
		"r=aNONCE,c=biws,p=YQ==", "c=biws,r=aNONCE,m=x,p=YQ==", "c=biws,r=aNONCE,p=YR==", "c=biws\x00,r=aNONCE,p=YQ==",
	} {
		s := newScram(user(sha256.New, "salt"), "NONCE")
		if _, _, err := s.Next([]byte("n,,n=user,r=a")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Next([]byte(final)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", final, err)
		}
	}
	s := newScram(user(sha256.New, "salt"), "NONCE")
	s.next = confirmed
	if _, _, err := s.Next([]byte("more")); !fault.Is(err, fault.Invalid) {
		t.Errorf("more after the end: %v", err)
	}
}

// TestScramClientIsWary: a client is led astray by nobody who does not know the password.
func TestScramClientIsWary(t *testing.T) {
	for name, say := range map[string][]string{
		"another nonce":    {"r=xyzserver,s=c2FsdA==,i=4096"},
		"no nonce of its":  {"r=abc,s=c2FsdA==,i=4096"},
		"few iterations":   {"r=abcserver,s=c2FsdA==,i=1"},
		"many iterations":  {"r=abcserver,s=c2FsdA==,i=2000000000"},
		"no salt":          {"r=abcserver,x=c2FsdA==,i=4096"},
		"wrong signature":  {"r=abcserver,s=c2FsdA==,i=4096", "v=AAAA"},
		"an error":         {"r=abcserver,s=c2FsdA==,i=4096", "e=invalid-proof"},
		"nothing":          {""},
		"goes on for ever": {"r=abcserver,s=c2FsdA==,i=4096", "", ""},
	} {
		c := &ScramClient{Hash: sha1.New, User: "user", Password: "pencil"}
		c.start("abc")
		var err error
		for _, challenge := range say {
			if err == nil {
				_, err = c.Next([]byte(challenge))
			}
		}
		if err == nil || c.Done() {
			t.Errorf("%s: %v, done %v", name, err, c.Done())
		}
	}
}
