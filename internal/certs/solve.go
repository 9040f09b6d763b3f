package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"posthorn/internal/dns"
	"posthorn/internal/fault"
	"posthorn/internal/wire"
)

// cleanTime is how long taking back what a challenge needed may take.
const cleanTime = 15 * time.Second

// solver is what meets a challenge.
func (k *Keeper) solver(a ACME) (acmez.Solver, error) {
	switch a.Challenge {
	case HTTP01:
		return answering{k.vault, func(c acme.Challenge) string { return httpKey(c.Token) }}, nil
	case TLSALPN01:
		return answering{k.vault, func(c acme.Challenge) string { return alpnKey(c.Identifier.Value) }}, nil
	case DNS01:
		return publishing{a.DNS, a.DNSWait}, nil
	}
	return nil, fault.New(fault.Internal, "certs: challenge %q", a.Challenge)
}

func httpKey(token string) string { return "http/" + token }
func alpnKey(name string) string  { return "alpn/" + name }

// answering lays the answer down where each node finds it.
type answering struct {
	vault vault
	key   func(acme.Challenge) string
}

// Present is called before the authority asks.
func (s answering) Present(ctx context.Context, c acme.Challenge) error {
	return s.vault.setAnswer(ctx, s.key(c), c.KeyAuthorization)
}

// CleanUp is called when it has asked.
func (s answering) CleanUp(ctx context.Context, c acme.Challenge) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	return s.vault.dropAnswer(ctx, s.key(c))
}

// publishing puts the answer into DNS.
type publishing struct {
	updater *dns.Updater
	wait    time.Duration
}

// Present is called before the authority asks.
func (s publishing) Present(ctx context.Context, c acme.Challenge) error {
	return s.updater.AddTXT(ctx, c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
}

// Wait lets the record get to all servers of its zone.
func (s publishing) Wait(ctx context.Context, _ acme.Challenge) error {
	timer := time.NewTimer(s.wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// CleanUp is called when it has asked.
func (s publishing) CleanUp(ctx context.Context, c acme.Challenge) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	return s.updater.RemoveTXT(ctx, c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
}

// ChallengeTLS is how TLS is spoken with an authority that asks by TLS-ALPN-01: it gets
// a certificate that only it can use, everybody else nothing (RFC 8737 §3).
func (k *Keeper) ChallengeTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true,
		NextProtos: []string{acmez.ACMETLS1Protocol},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			name := strings.ToLower(hello.ServerName)
			if !slices.Equal(hello.SupportedProtos, []string{acmez.ACMETLS1Protocol}) || name == "" {
				return nil, fault.New(fault.Denied, "certs: this port is for authorities only")
			}
			text, found, err := k.vault.answer(hello.Context(), alpnKey(name))
			if err != nil || !found {
				return nil, errors.Join(fault.New(fault.NotFound, "certs: nobody has asked for a certificate for %q", name), err)
			}
			return acmez.TLSALPN01ChallengeCert(acme.Challenge{Identifier: acme.Identifier{Type: "dns", Value: name}, KeyAuthorization: text})
		},
	}
}

const (
	mostLine    = 2048 // bytes of a line of a request
	mostLines   = 100
	wellKnown   = "/.well-known/acme-challenge/"
	mostToken   = 128
	requestWait = 10 * time.Second
)

// ServeHTTP01 is the protocol of a listener that an authority asks by HTTP-01: one
// request, one answer (RFC 8555 §8.3). It knows just as much of HTTP as that takes.
func (k *Keeper) ServeHTTP01(ctx context.Context, c *wire.Conn) {
	c.SetIdleTimeout(requestWait)
	request, err := c.ReadLine(mostLine)
	if err != nil {
		return
	}
	token, head := challengeOf(string(request))
	for n := 0; ; n++ { // the header says nothing that matters here
		line, err := c.ReadLine(mostLine)
		if err != nil && !errors.Is(err, wire.ErrLineTooLong) || n == mostLines {
			return
		}
		if err == nil && len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
	}
	status, body := "404 Not Found", ""
	if token != "" {
		text, found, err := k.vault.answer(ctx, httpKey(token))
		switch {
		case err != nil:
			status = "503 Service Unavailable"
		case found:
			status, body = "200 OK", text
		}
	}
	c.WriteString("HTTP/1.1 " + status + "\r\nContent-Type: application/octet-stream\r\nConnection: close\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n")
	if !head {
		c.WriteString(body)
	}
}

// challengeOf finds in a request line which challenge is asked for; "": none.
func challengeOf(request string) (token string, head bool) {
	method, rest, _ := strings.Cut(request, " ")
	target, _, _ := strings.Cut(rest, " ")
	token, ok := strings.CutPrefix(target, wellKnown)
	if !ok || !isToken(token) || method != "GET" && method != "HEAD" {
		token = ""
	}
	return token, method == "HEAD"
}

// isToken says that a text may be the name of a challenge: base64url (RFC 8555 §8.1).
func isToken(s string) bool {
	return s != "" && len(s) <= mostToken && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && !('a' <= r && r <= 'z') && !('A' <= r && r <= 'Z') && !('0' <= r && r <= '9')
	})
}
