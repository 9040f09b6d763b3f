package server

import (
	"crypto/tls"
	"net/smtp"
	"testing"

	"posthorn/internal/config"
)

// TestTickets: servers that send mail get no session tickets, for some of them offer a
// stale one and fail; programs of users come back quickly with theirs.
func TestTickets(t *testing.T) {
	h := openHouse(t, testConfig(t, config.SMTP, config.Submission), "alice@example.test")
	for protocol, want := range map[config.Protocol]bool{config.SMTP: false, config.Submission: true} {
		how := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		var state tls.ConnectionState
		for range 2 {
			c, err := smtp.Dial(h.Address(protocol).String())
			if err != nil {
				t.Fatal(err)
			}
			if err := c.StartTLS(how); err != nil {
				t.Fatal(err)
			}
			state, _ = c.TLSConnectionState()
			if err := c.Quit(); err != nil {
				t.Fatal(err)
			}
		}
		if state.DidResume != want {
			t.Errorf("%s: the second session resumed the first: %v, want %v", protocol, state.DidResume, want)
		}
	}
}
