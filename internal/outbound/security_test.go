package outbound

import (
	"strings"
	"testing"
	"testing/synctest"
)

// TestSecurity is TLS by opportunity, and messages that ask for it. The certificate
// of all servers is that of mail.example.test.
func TestSecurity(t *testing.T) {
	const (
		zone     = "remote.test MX 10 mail.example.test.\nmail.example.test A 192.0.2.1\n"
		signed   = zone + "remote.test !authentic\nmail.example.test !authentic"
		misnamed = "remote.test MX 10 mx.test.\nmx.test A 192.0.2.1\nremote.test !authentic\nmx.test !authentic"
		alone    = "remote.test !authentic\nremote.test A 192.0.2.1"
		required = true
	)
	for _, tc := range []struct {
		name, zone, rules string
		require           bool
		want              string // "encrypted" and "in clear" are deliveries
		connections       int
	}{
		{"offered", zone, "offers: STARTTLS", !required, "encrypted", 1},
		{"for another name", misnamed, "offers: STARTTLS", !required, "encrypted", 1},
		{"not offered", zone, "", !required, "in clear", 1},
		{"refused", zone, "offers: STARTTLS\nSTARTTLS: 454 4.7.0 Not now", !required, "in clear", 1},
		{"broken", zone, "offers: STARTTLS\nhandshake: garbage", !required, "in clear", 2},
		{"broken off", zone, "offers: STARTTLS\nhandshake: close", !required, "in clear", 2},
		{"hanging", zone, "offers: STARTTLS\nhandshake: hang", !required, "in clear", 2},

		{"required", signed, "offers: STARTTLS, REQUIRETLS", required, "encrypted", 1},
		{"required, unsigned DNS", zone, "offers: STARTTLS, REQUIRETLS", required, "refused: 554 5.7.10 mail.example.test cannot be trusted to be the server of remote.test: its DNS is not signed, and no MTA-STS policy names it", 0},
		{"required, no STARTTLS", signed, "", required, "refused: 554 5.7.10 mail.example.test [192.0.2.1], at STARTTLS: the server does not offer STARTTLS, which is required here", 1},
		{"required, no REQUIRETLS", signed, "offers: STARTTLS", required, "refused: 554 5.7.30 mail.example.test [192.0.2.1], at MAIL: the message asks for TLS on all its way, which the server does not promise (REQUIRETLS)", 1},
		{"required, broken", signed, "offers: STARTTLS, REQUIRETLS\nhandshake: close", required, "refused: 554 5.7.10 mail.example.test [192.0.2.1], at STARTTLS: the server closed the connection", 1},
		{"required, wrong certificate", misnamed, "offers: STARTTLS, REQUIRETLS", required, "refused: 554 5.7.10 mx.test [192.0.2.1], at STARTTLS: TLS fails: tls: failed to verify certificate: x509: certificate is valid for mail.example.test, not mx.test", 1},
		{"required, wrong certificate, no MX", alone, "offers: STARTTLS, REQUIRETLS", required, "refused: 554 5.7.10 remote.test [192.0.2.1], at STARTTLS: TLS fails: tls: failed to verify certificate: x509: certificate is valid for mail.example.test, not remote.test", 1},
		{"required, and the server is busy", signed, "greeting: 421 4.7.0 Busy!close", required, "unreachable: 421 4.7.0 Busy (mail.example.test [192.0.2.1])", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tc.zone, map[string]string{"192.0.2.1": tc.rules}, nil)
				s := w.servers["192.0.2.1"]
				w.out.o.Roots = s.TLS().RootCAs
				task := mail("bob@remote.test")
				task.message.RequireTLS = tc.require
				got := w.deliver(task)
				if all := s.Messages(); len(all) == 1 {
					got = map[bool]string{true: "encrypted", false: "in clear"}[all[0].TLS]
					if tc.require != strings.Contains(all[0].Mail, "REQUIRETLS") {
						t.Errorf("MAIL %s", all[0].Mail)
					}
				}
				if got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
				if n := s.Connections(); n != tc.connections {
					t.Errorf("%d connections, want %d", n, tc.connections)
				}
			})
		})
	}
}

// A notification of a failure may travel in clear (RFC 8689 §5): it is better than
// none.
func TestNotificationInClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "remote.test A 192.0.2.1", map[string]string{"192.0.2.1": ""}, nil)
		task := mail("bob@remote.test")
		task.message.RequireTLS = true
		task.message.From.Local, task.message.From.Domain = "", ""
		if got := w.deliver(task); got != "accepted: 250 2.0.0 Taken (remote.test [192.0.2.1])" {
			t.Error(got)
		}
	})
}
