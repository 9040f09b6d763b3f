package imapclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/wire/wiretest"
)

// hostile is a server that says something at first and something after each line, and
// then no more.
func hostile(t *testing.T, greeting string, answers ...string) net.Conn {
	client, server := wiretest.Pair()
	t.Cleanup(func() { client.Close(); server.Close() })
	go func() {
		io.WriteString(server, greeting)
		in := bufio.NewReader(server)
		for _, answer := range answers {
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
			io.WriteString(server, answer)
		}
		io.Copy(io.Discard, in)
	}()
	return client
}

func TestHostileServers(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for name, test := range map[string]struct {
		greeting, answer string
		want             fault.Kind
	}{
		"not IMAP":           {"220 mail.example.test ESMTP\r\n", "", fault.Invalid},
		"a refusal":          {"* BYE [UNAVAILABLE] \a later\r\n", "", fault.Unavailable},
		"an endless line":    {"* OK " + long, "", fault.TooLarge},
		"silence":            {"", "", fault.Unavailable},
		"an endless literal": {"* OK\r\n", "* LIST () NIL {4000000000}\r\n", fault.TooLarge},
		"a large literal":    {"* OK\r\n", "* 1 FETCH (BODY[] {4000000000}\r\n", fault.TooLarge},
		"a literal cut off":  {"* OK\r\n", "* 1 FETCH (BODY[] {5}\r\nab", fault.Unavailable},
		"depth":              {"* OK\r\n", "* X " + strings.Repeat("(", 900) + "\r\n", fault.Invalid},
		"a list without end": {"* OK\r\n", strings.Repeat("* LIST () NIL a\r\n", 300), fault.TooLarge},
		"somebody's tag":     {"* OK\r\n", "p7 OK\r\n", fault.Invalid},
		"a late goodbye":     {"* OK\r\n", "* BYE [UNAVAILABLE] restarting\r\n", fault.Unavailable},
		"a refused command":  {"* OK\r\n", "p1 NO [NOPERM] not yours\r\n", fault.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := New(t.Context(), hostile(t, test.greeting, test.answer), Options{
					Security: Plain, MaxLine: 1000, MaxLiteral: 1000, MaxAnswer: 3000, Timeout: time.Minute,
				})
				if err == nil {
					_, err = c.List(t.Context(), "*")
				}
				if !fault.Is(err, test.want) {
					t.Errorf("%v, want an error of kind %v", err, test.want)
				}
				if err != nil && strings.ContainsAny(err.Error(), "\a\r\n") {
					t.Errorf("%q has control characters in it", err)
				}
			})
		})
	}
}

// TestRefusalsHaveCodes: a refusal can be told from a broken connection, which it is not.
func TestRefusalsHaveCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(t.Context(), hostile(t, "* OK\r\n", "p1 NO [INUSE] locked\r\n", "p2 OK\r\n"), Options{Security: Plain})
		if err != nil {
			t.Fatal(err)
		}
		var refused *Error
		if err := c.Create(t.Context(), "a"); !errors.As(err, &refused) || refused.Code.Name != "INUSE" || refused.Command != "CREATE" {
			t.Errorf("%v, want INUSE", err)
		}
		if err := c.Noop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(t.Context(), hostile(t, "* OK\r\n"), Options{Security: Plain})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Noop(ctx); !fault.Is(err, fault.Canceled) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want that it was given up", err)
		}
	})
}

// TestStartTLSInjection: RFC 9051 §11.1.
func TestStartTLSInjection(t *testing.T) {
	for name, greeting := range map[string][]string{
		"more in clear":  {"* OK\r\n", "p1 OK go\r\n* CAPABILITY LOGINDISABLED\r\n"},
		"PREAUTH":        {"* PREAUTH hello\r\n"},
		"it is not done": {"* OK\r\n", "p1 NO not here\r\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, err := New(t.Context(), hostile(t, greeting[0], greeting[1:]...), Options{Security: StartTLS, TLS: &tls.Config{ServerName: "x"}})
			if err == nil {
				t.Errorf("%s: goes on", name)
			}
		})
	}
}

// TestNothingIsInjected: names and passwords cannot end a command.
func TestNothingIsInjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(t.Context(), hostile(t, "* OK [CAPABILITY IMAP4rev1]\r\n"), Options{Security: Plain})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Login(t.Context(), "a\r\np9 DELETE b", "c"); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v, want that it is refused", err)
		}
	})
}

func FuzzServer(f *testing.F) {
	f.Add("* OK [CAPABILITY IMAP4rev1]\r\n* 1 FETCH (UID 1 BODY[] {3}\r\nabc FLAGS (a))\r\np1 OK\r\np2 OK\r\n")
	f.Add("* OK\r\n* CAPABILITY A B\r\np1 OK\r\n* LIST () NIL {1}\r\na\r\np2 NO [X y] z\r\n")
	f.Fuzz(func(t *testing.T, said string) {
		client, server := wiretest.Pair()
		go func() {
			io.WriteString(server, said[:min(len(said), 10_000)])
			server.Close()
		}()
		go io.Copy(io.Discard, server)
		c, err := New(t.Context(), client, Options{Security: Plain, MaxLine: 1000, MaxLiteral: 1000})
		if err != nil {
			return
		}
		defer c.Close()
		c.Capabilities(t.Context())
		c.Fetch(t.Context(), imapwire.NumSet{Ranges: []imapwire.NumRange{{First: 1}}}, Fetch{
			FetchOptions: imapwire.FetchOptions{Items: []imapwire.FetchItem{{Attr: imapwire.FetchFlags}}},
			Body: func(_ *Message, _ *imapwire.FetchDatum, text io.Reader) error {
				_, err := io.Copy(io.Discard, text)
				return err
			},
		})
		c.Noop(t.Context())
	})
}
