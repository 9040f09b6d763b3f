package sasl

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"posthorn/internal/fault"
)

// errWrong is what the test's Verify answers to anybody but alice, and to alice
// acting as somebody else.
var errWrong = fault.New(fault.Unauthenticated, "wrong")

func verify(authzid, user, password string) error {
	if user != "alice" || password != "sécret" || authzid != "" && authzid != user {
		return errWrong
	}
	return nil
}

// exchange plays a client. say is a script, one line each: "C:" what the client
// sends (clear text, encoded here; "raw:" is sent as it is), "S:" the challenge
// expected. The first C line may be the initial response, "C0:".
func exchange(t *testing.T, mechanism string, say ...string) error {
	t.Helper()
	server := map[string]func(Verify) Server{"PLAIN": NewPlain, "LOGIN": NewLogin}[Canonical(mechanism)](verify)
	encode := func(s string) string {
		if raw, ok := strings.CutPrefix(s, "raw:"); ok {
			return raw
		}
		return base64.StdEncoding.EncodeToString([]byte(s))
	}
	initial := ""
	if len(say) > 0 && strings.HasPrefix(say[0], "C0:") {
		initial, say = encode(say[0][3:]), say[1:]
	}
	err := Converse(server, initial, func(challenge string) ([]byte, error) {
		if len(say) < 2 {
			t.Fatalf("unexpected challenge %q", challenge)
		}
		if want := encode(say[0][2:]); challenge != want {
			t.Errorf("challenge %q, want %q", challenge, want)
		}
		answer := encode(say[1][2:])
		say = say[2:]
		return []byte(answer), nil
	})
	if len(say) > 0 {
		t.Errorf("the exchange ended (%v) before %q", err, say)
	}
	return err
}

func TestProven(t *testing.T) {
	for name, err := range map[string]error{
		"plain":             exchange(t, "PLAIN", "S:", "C:\x00alice\x00sécret"),
		"plain, initial":    exchange(t, "plain", "C0:\x00alice\x00sécret"),
		"plain, as oneself": exchange(t, "PLAIN", "C0:alice\x00alice\x00sécret"),
		"login":             exchange(t, "LOGIN", "S:Username:", "C:alice", "S:Password:", "C:sécret"),
		"login, initial":    exchange(t, "Login", "C0:alice", "S:Password:", "C:sécret"),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		want error
	}{
		{"plain", exchange(t, "PLAIN", "C0:\x00alice\x00wrong"), errWrong},
		{"plain, as another", exchange(t, "PLAIN", "C0:bob\x00alice\x00sécret"), errWrong},
		{"login", exchange(t, "LOGIN", "C0:alice", "S:Password:", "C:wrong"), errWrong},
		{"plain, aborted", exchange(t, "PLAIN", "S:", "C:raw:*"), ErrAborted},
		{"login, aborted", exchange(t, "LOGIN", "S:Username:", "C:alice", "S:Password:", "C:raw:*"), ErrAborted},
	} {
		if !errors.Is(tc.err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, tc.err, tc.want)
		}
	}
}

func TestMalformed(t *testing.T) {
	long := strings.Repeat("x", maxField+1)
	for name, err := range map[string]error{
		"plain, not base64":     exchange(t, "PLAIN", "C0:raw:!!!"),
		"plain, empty initial":  exchange(t, "PLAIN", "C0:raw:="),
		"plain, two fields":     exchange(t, "PLAIN", "C0:alice\x00sécret"),
		"plain, four fields":    exchange(t, "PLAIN", "C0:\x00alice\x00sécret\x00"),
		"plain, no user":        exchange(t, "PLAIN", "C0:\x00\x00sécret"),
		"plain, no password":    exchange(t, "PLAIN", "C0:\x00alice\x00"),
		"plain, not UTF-8":      exchange(t, "PLAIN", "C0:\x00alice\x00\xff"),
		"plain, long":           exchange(t, "PLAIN", "C0:\x00alice\x00"+long),
		"login, no user":        exchange(t, "LOGIN", "S:Username:", "C:"),
		"login, empty initial":  exchange(t, "LOGIN", "C0:raw:="),
		"login, no password":    exchange(t, "LOGIN", "S:Username:", "C:alice", "S:Password:", "C:"),
		"login, NUL":            exchange(t, "LOGIN", "S:Username:", "C:alice", "S:Password:", "C:a\x00b"),
		"login, initial is a *": exchange(t, "LOGIN", "C0:raw:*"),
	} {
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAskFails(t *testing.T) {
	gone := errors.New("gone")
	err := Converse(NewPlain(verify), "", func(string) ([]byte, error) { return nil, gone })
	if err != gone {
		t.Errorf("Converse = %v, want what ask returned", err)
	}
}
