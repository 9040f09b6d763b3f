package smtpclient_test

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"posthorn/internal/smtpclient"
	"posthorn/internal/smtpclient/smtptest"
)

// TestTLS is what each policy makes of each server: how the message traveled, or
// why it did not.
func TestTLS(t *testing.T) {
	const (
		opportunistic = smtpclient.TLSOpportunistic
		required      = smtpclient.TLSRequired
		verified      = smtpclient.TLSVerified
		never         = smtpclient.TLSNever
	)
	for _, tc := range []struct {
		name, rules string
		policy      smtpclient.TLSPolicy
		server      string // the name that we want to reach
		want        string
	}{
		{"offered", "offers: STARTTLS", opportunistic, "mail.example.test", "encrypted"},
		{"offered", "offers: STARTTLS", required, "mail.example.test", "encrypted"},
		{"offered", "offers: STARTTLS", verified, "mail.example.test", "encrypted"},
		{"offered", "offers: STARTTLS", never, "mail.example.test", "in clear"},

		{"not offered", "", opportunistic, "mail.example.test", "in clear"},
		{"not offered", "", required, "mail.example.test", "unavailable: smtp: STARTTLS: the server does not offer STARTTLS, which is required here"},
		{"not offered", "", verified, "mail.example.test", "unavailable: smtp: STARTTLS: the server does not offer STARTTLS, which is required here"},

		{"wrong certificate", "offers: STARTTLS", opportunistic, "other.test", "encrypted"},
		{"wrong certificate", "offers: STARTTLS", required, "other.test", "encrypted"},
		{"wrong certificate", "offers: STARTTLS", verified, "other.test", "unavailable: smtp: STARTTLS: TLS fails: tls: failed to verify certificate: x509: certificate is valid for mail.example.t..."},

		{"refused", "offers: STARTTLS\nSTARTTLS: 454 4.7.0 Not today", opportunistic, "mail.example.test", "in clear"},
		{"refused", "offers: STARTTLS\nSTARTTLS: 454 4.7.0 Not today", required, "mail.example.test", "unavailable: smtp: STARTTLS: the server says: 454 4.7.0 Not today"},
		{"refused for good", "offers: STARTTLS\nSTARTTLS: 501 5.5.4 What?", opportunistic, "mail.example.test", "in clear"},
		{"sent away", "offers: STARTTLS\nSTARTTLS: 421 4.3.2 Bye!close", opportunistic, "mail.example.test", "unavailable: smtp: STARTTLS: the server says: 421 4.3.2 Bye"},
		{"closed", "offers: STARTTLS\nSTARTTLS: close", opportunistic, "mail.example.test", "unavailable: smtp: STARTTLS: the server closed the connection"},
		{"hangs", "offers: STARTTLS\nSTARTTLS: hang", opportunistic, "mail.example.test", "unavailable: smtp: STARTTLS: the server took more than 5m0s to reply"},

		{"broken", "offers: STARTTLS\nhandshake: garbage", opportunistic, "mail.example.test", "unavailable: smtp: STARTTLS: TLS fails: tls: first record does not look like a TLS handshake"},
		{"broken off", "offers: STARTTLS\nhandshake: close", opportunistic, "mail.example.test", "unavailable: smtp: STARTTLS: the server closed the connection"},
		{"handshake hangs", "offers: STARTTLS\nhandshake: hang", opportunistic, "mail.example.test", "unavailable: smtp: STARTTLS: the server took more than 1m0s for the handshake"},

		{"replies in clear, injected", "offers: STARTTLS\nSTARTTLS: 220 Go on|250 PIPELINING", opportunistic, "mail.example.test", "invalid: smtp: STARTTLS: the server goes on in clear after it agreed to start TLS"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := smtptest.New(t, tc.rules)
			config := s.TLS().Clone()
			config.ServerName = tc.server
			got := send(t, s, smtpclient.Options{TLS: tc.policy, TLSConfig: config}, nil)
			if m := s.Messages(); len(m) == 1 {
				got = "in clear"
				if m[0].TLS {
					got = "encrypted"
				}
			}
			if got != tc.want {
				t.Errorf("%s, policy %d:\ngot  %s\nwant %s", tc.name, tc.policy, got, tc.want)
			}
			for i, line := range s.Said() {
				if strings.HasPrefix(line, "EHLO") && i > 0 && s.Said()[i-1] != "STARTTLS" {
					t.Errorf("%s: %q", tc.name, s.Said())
				}
			}
		})
	}
}

// Verification is the caller's own if there is one: with InsecureSkipVerify names do
// not matter, and VerifyConnection does.
func TestVerifyConnection(t *testing.T) {
	for _, verdict := range []error{nil, errors.New("no such key")} {
		synctest.Test(t, func(t *testing.T) {
			s := smtptest.New(t, "offers: STARTTLS")
			config := &tls.Config{
				ServerName: "other.test", InsecureSkipVerify: true,
				VerifyConnection: func(tls.ConnectionState) error { return verdict },
			}
			c, err := open(t, s, smtpclient.Options{TLS: smtpclient.TLSVerified, TLSConfig: config})
			switch {
			case verdict == nil && (err != nil || c.TLS() == nil):
				t.Error(err)
			case verdict != nil && (err == nil || !strings.Contains(err.Error(), verdict.Error())):
				t.Error(err)
			}
		})
	}
}

func TestImplicitTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smtptest.New(t, "handshake: implicit\noffers: STARTTLS")
		got := send(t, s, smtpclient.Options{TLS: smtpclient.TLSVerified, TLSConfig: s.TLS(), ImplicitTLS: true}, nil)
		if m := s.Messages(); len(m) != 1 || !m[0].TLS {
			t.Errorf("%s, %+v", got, m)
		}
	})
}

func TestAuth(t *testing.T) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	secret := &smtpclient.Credentials{User: "jörg", Password: "pässword"}
	plain := "AUTH PLAIN " + b64("\x00jörg\x00pässword")
	for _, tc := range []struct {
		name, rules string
		clear       bool
		said        string // what concerns AUTH
		want        string
	}{
		{"PLAIN", "offers: STARTTLS, AUTH LOGIN PLAIN", false, plain, "delivered"},
		{"LOGIN", "offers: STARTTLS, AUTH LOGIN X", false, "AUTH LOGIN|" + b64("jörg") + "|" + b64("pässword"), "delivered"},
		{"an old spelling", "offers: STARTTLS, AUTH=LOGIN, AUTH X", false, "AUTH LOGIN|" + b64("jörg") + "|" + b64("pässword"), "delivered"},
		{"lower case", "offers: STARTTLS, auth plain", false, plain, "delivered"},
		{"not in clear", "offers: AUTH PLAIN", false, "", "not authenticated: smtp: AUTH: the password is not sent, since the connection is not encrypted"},
		{"in clear on purpose", "offers: AUTH PLAIN", true, plain, "delivered"},
		{"not offered", "offers: STARTTLS", false, "", `not authenticated: smtp: AUTH: the server offers no SCRAM, PLAIN or LOGIN, but ""`},
		{"nothing we know", "offers: STARTTLS, AUTH GSSAPI", false, "", `not authenticated: smtp: AUTH: the server offers no SCRAM, PLAIN or LOGIN, but "GSSAPI"`},
		{"wrong password", "offers: STARTTLS, AUTH PLAIN\nAUTH: 535 5.7.8 No", false, plain, "not authenticated: smtp: AUTH: the server says: 535 5.7.8 No"},
		{"not now", "offers: STARTTLS, AUTH PLAIN\nAUTH: 454 4.7.0 Later", false, plain, "unavailable: smtp: AUTH: the server says: 454 4.7.0 Later"},
		{"refused at the user", "offers: STARTTLS, AUTH LOGIN\nresponse #2: 535 5.7.8 No", false, "AUTH LOGIN|" + b64("jörg"), "not authenticated: smtp: AUTH: the server says: 535 5.7.8 No"},
		{"asks without end", "offers: STARTTLS, AUTH PLAIN\nAUTH: 334 More", false, plain, "not authenticated: smtp: AUTH: the server says: 334 More"},
		{"hangs", "offers: STARTTLS, AUTH PLAIN\nAUTH: hang", false, plain, "unavailable: smtp: AUTH: the server took more than 5m0s to reply"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := smtptest.New(t, tc.rules)
				got := send(t, s, smtpclient.Options{Auth: secret, PlaintextAuth: tc.clear}, nil)
				if len(s.Messages()) == 1 {
					got = "delivered"
				}
				if got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
				synctest.Wait()
				var said []string
				for _, line := range s.Said() {
					word, _, _ := strings.Cut(line, " ")
					if !strings.Contains("EHLO STARTTLS MAIL RCPT DATA QUIT", word) {
						said = append(said, line)
					}
				}
				if got := strings.Join(said, "|"); got != tc.said {
					t.Errorf("said %s, want %s", got, tc.said)
				}
			})
		})
	}
}

func TestScram(t *testing.T) {
	for _, tc := range []struct {
		name, rules, password string
		tried                 string // mechanisms
		want                  string
	}{
		{"the best of them", "offers: STARTTLS, AUTH PLAIN SCRAM-SHA-1 SCRAM-SHA-256", smtptest.Password, "SCRAM-SHA-256", "delivered"},
		{"SHA-1", "offers: STARTTLS, AUTH PLAIN SCRAM-SHA-1", smtptest.Password, "SCRAM-SHA-1", "delivered"},
		{"nothing else", "offers: STARTTLS, AUTH SCRAM-SHA-256", "wrong", "SCRAM-SHA-256", "not authenticated: smtp: AUTH: the server says: 535 5.7.8 No"},
		{"wrong everywhere", "offers: STARTTLS, AUTH PLAIN SCRAM-SHA-256\nAUTH PLAIN: 535 5.7.8 Not so", "wrong", "SCRAM-SHA-256 PLAIN", "not authenticated: smtp: AUTH: the server says: 535 5.7.8 Not so"},
		{"has a hash alone", "offers: STARTTLS, AUTH PLAIN SCRAM-SHA-256\nAUTH SCRAM: 535 5.7.8 No keys", smtptest.Password, "SCRAM-SHA-256 PLAIN", "delivered"},
		{"or LOGIN", "offers: STARTTLS, AUTH LOGIN SCRAM-SHA-256\nAUTH SCRAM: 535 5.7.8 No keys", smtptest.Password, "SCRAM-SHA-256 LOGIN", "delivered"},
		{"not now", "offers: STARTTLS, AUTH PLAIN SCRAM-SHA-256\nAUTH SCRAM: 454 4.7.0 Later", smtptest.Password, "SCRAM-SHA-256", "unavailable: smtp: AUTH: the server says: 454 4.7.0 Later"},
		{
			"an impostor", "offers: STARTTLS, AUTH PLAIN SCRAM-SHA-256\nresponse #2: 235 2.7.0 Welcome", smtptest.Password, "SCRAM-SHA-256",
			"not authenticated: smtp: AUTH: the server lets us in by SCRAM-SHA-256, but does not show that it knows the password",
		},
		{
			"no answer to ours", "offers: STARTTLS, AUTH PLAIN SCRAM-SHA-256\nresponse: 334 cj0x", smtptest.Password, "SCRAM-SHA-256",
			"not authenticated: smtp: AUTH: sasl: SCRAM: the server's answer does not belong to this exchange",
		},
		{"no base64", "offers: STARTTLS, AUTH PLAIN SCRAM-SHA-256\nresponse: 334 ?", smtptest.Password, "SCRAM-SHA-256", "not authenticated: smtp: AUTH: illegal base64 data at input byte 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := smtptest.New(t, tc.rules)
				got := send(t, s, smtpclient.Options{Auth: &smtpclient.Credentials{User: "jörg", Password: tc.password}}, nil)
				if len(s.Messages()) == 1 {
					got = "delivered"
				}
				if got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
				synctest.Wait()
				var tried []string
				for _, line := range s.Said() {
					if words := strings.Fields(line); len(words) > 1 && words[0] == "AUTH" {
						tried = append(tried, words[1])
					}
				}
				if got := strings.Join(tried, " "); got != tc.tried {
					t.Errorf("tried %s, want %s", got, tc.tried)
				}
			})
		})
	}
}
