package sasl

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"posthorn/internal/fault"
)

// fuzz lets a client say anything, one response a line, and anything else as initial
// response. Whatever it says, the exchange ends soon, in success only if let in, and
// with an error of a kind that the faces know.
func fuzz(f *testing.F, server func(in *bool) Server, seeds ...string) {
	f.Helper()
	for _, seed := range seeds {
		f.Add("", seed)
		initial, rest, _ := strings.Cut(seed, "\n")
		f.Add(base64.StdEncoding.EncodeToString([]byte(initial)), rest)
	}
	f.Add("=", "*")
	f.Add("!", "=")
	f.Fuzz(func(t *testing.T, initial, script string) {
		letIn := false
		said := strings.Split(script, "\n")
		silent, asked := errors.New("silent"), 0
		err := Converse(server(&letIn), initial, func(challenge string) ([]byte, error) {
			if asked++; asked > 8 {
				t.Fatal("it asks without end")
			}
			if _, err := base64.StdEncoding.DecodeString(challenge); err != nil {
				t.Fatalf("challenge %q", challenge)
			}
			if len(said) == 0 {
				return nil, silent
			}
			line := base64.StdEncoding.EncodeToString([]byte(said[0]))
			if strings.HasPrefix(said[0], "*") {
				line = said[0]
			}
			said = said[1:]
			return []byte(line), nil
		})
		switch {
		case err == nil && !letIn:
			t.Fatal("let in without a proof")
		case err == nil, errors.Is(err, silent), errors.Is(err, ErrAborted), fault.Is(err, fault.Invalid), fault.Is(err, fault.Unauthenticated):
		default:
			t.Fatal(err)
		}
	})
}

func FuzzPlain(f *testing.F) {
	fuzz(f, func(in *bool) Server {
		return NewPlain(func(authzid, user, password string) error {
			err := verify(authzid, user, password)
			*in = err == nil
			return err
		})
	}, "\x00alice\x00sécret", "a\x00b\x00c\x00d")
}

func FuzzLogin(f *testing.F) {
	fuzz(f, func(in *bool) Server {
		return NewLogin(func(authzid, user, password string) error {
			err := verify(authzid, user, password)
			*in = err == nil
			return err
		})
	}, "alice\nsécret", "alice\n\x00")
}

func FuzzCramMD5(f *testing.F) {
	fuzz(f, func(in *bool) Server {
		return NewCramMD5("<1896.697170952@postoffice.reston.mci.net>", func(d Digest) error {
			err := knows(d)
			*in = err == nil
			return err
		})
	}, "tim b913a602c7eda7a495b4e6e7334d3890", "\ntim b913a602c7eda7a495b4e6e7334d3890", "tim")
	f.Add("", "tim  0")
}

func FuzzAPOP(f *testing.F) {
	f.Add("mrose", "c4c9334bac560ecc979e58001b3e22fb")
	f.Fuzz(func(t *testing.T, user, digest string) {
		d, err := APOP("<1896.697170952@dbc.mtview.ca.us>", user, digest)
		if err == nil {
			err = knows(d)
		}
		if err == nil && (user != "mrose" || !strings.EqualFold(digest, "c4c9334bac560ecc979e58001b3e22fb")) {
			t.Fatalf("%q %q let in", user, digest)
		}
	})
}

// FuzzScram fuzzes both kinds, with a nonce and a password that is known.
func FuzzScram(f *testing.F) {
	const first, final = "n,,n=user,r=abc", "c=biws,r=abcNONCE,p="
	o := user(sha256.New, "salt")
	c := &ScramClient{Hash: sha256.New, User: "user", Password: "pencil"}
	c.start("abc")
	s := newScram(o, "NONCE")
	challenge, _, err := s.Next([]byte(first))
	if err != nil {
		f.Fatal(err)
	}
	right, err := c.Next(challenge)
	if err != nil {
		f.Fatal(err)
	}
	fuzz(f, func(in *bool) Server {
		o := o
		o.OffersPlus = true
		o.Verify = func(key int) error {
			*in = key != NoKey
			return nil
		}
		return newScram(o, "NONCE")
	}, first+"\n"+string(right)+"\n", first+"\n"+final+"AAAA", "y,,n=user,r=abc", "p=tls-exporter,a=x=2C,n=user,r=abc", "n,,n=user,r=abc,x=y\nc=biws,r=abcNONCE,x=y,p=AAAA")
}

func FuzzScramClient(f *testing.F) {
	f.Add("r=abcserver,s=c2FsdA==,i=4096", "v=AAAA")
	f.Add("r=abc,s=,i=99999999999999999999", "e=no")
	f.Fuzz(func(t *testing.T, first, second string) {
		c := &ScramClient{Hash: sha256.New, User: "user", Password: "pencil"}
		c.start("abc")
		if strings.Contains(first, "i=") && !strings.Contains(first, "i=4096") {
			first = strings.ReplaceAll(first, "i=", "i=0") // hashing takes its time
		}
		_, err := c.Next([]byte(first))
		if err == nil {
			_, err = c.Next([]byte(second))
		}
		if err == nil || c.Done() {
			t.Fatal("a server that knows no password is believed")
		}
	})
}

func FuzzOAuthBearer(f *testing.F) {
	fuzz(f, func(in *bool) Server {
		return NewOAuthBearer(Discovery{}, func(authzid, token string) error {
			err := good(authzid, token)
			*in = err == nil
			return err
		})
	}, "n,,\x01auth=Bearer good\x01\x01", "n,a=x,\x01auth=\x01\x01\n\x01")
}

func FuzzXOAuth2(f *testing.F) {
	fuzz(f, func(in *bool) Server {
		return NewXOAuth2(Discovery{}, func(authzid, token string) error {
			err := good(authzid, token)
			*in = err == nil
			return err
		})
	}, "user=alice\x01auth=Bearer good\x01\x01", "user=x\x01auth=Bearer y\x01\x01\n")
}

func FuzzExternal(f *testing.F) {
	fuzz(f, func(in *bool) Server {
		return NewExternal(func(authzid string) error {
			*in = authzid == "alice"
			if !*in {
				return errWrong
			}
			return nil
		})
	}, "alice", "", "bob")
}
