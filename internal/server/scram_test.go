package server

import (
	"strings"
	"testing"

	"posthorn/internal/addr"
	"posthorn/internal/config"
	"posthorn/internal/openid/openidtest"
)

// TestScramIsForAll: of a hash that was imported there are no SCRAM keys before its owner has logged in
// with his password, so until then programs are not led to it, unless the listener says so.
func TestScramIsForAll(t *testing.T) {
	c, conf := crossConfig(t, openidtest.New(t))
	for i := range c.Listeners {
		if l := &c.Listeners[i]; l.Protocol != config.IMAPS {
			l.Mechanisms = nil
		}
	}
	s, _ := start(t, c)
	inhabit(t, s.data.Directory)
	offered := func(p config.Protocol) bool {
		t.Helper()
		conn, _ := dialects()[p].open(t, s.Address(p), conf)
		ask, last := map[config.Protocol]string{config.Submissions: "EHLO client.test", config.POP3S: "CAPA"}[p], ""
		if ask == "" {
			ask = "a CAPABILITY"
		}
		conn.send(ask)
		var all strings.Builder
		for last != "." && !strings.HasPrefix(last, "250 ") && !strings.HasPrefix(last, "a OK") {
			last = conn.line()
			all.WriteString(last + "\n")
		}
		if !strings.Contains(all.String(), "PLAIN") {
			t.Errorf("%s offers nothing:\n%s", p, &all)
		}
		conn.leave(dialects()[p])
		return strings.Contains(all.String(), "SCRAM-SHA-256")
	}
	check := func(when string, want bool) {
		t.Helper()
		for _, p := range []config.Protocol{config.Submissions, config.IMAP, config.POP3S} {
			if got := offered(p); got != want {
				t.Errorf("%s: %s offers SCRAM: %v", when, p, got)
			}
		}
		if !offered(config.IMAPS) {
			t.Errorf("%s: SCRAM is not offered where it is named", when)
		}
	}
	check("passwords that were given in plain", true)
	carol := addr.Address{Local: "carol", Domain: "example.test"}
	if _, err := s.data.Directory.AddAccount(t.Context(), carol, "{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ=="); err != nil {
		t.Fatal(err)
	}
	check("a hash was imported", false)
	d := popDialect(false)
	conn, _ := d.open(t, s.Address(config.POP3S), conf)
	if got := conn.authenticate(d, "PLAIN", true, says("\x00carol@example.test\x00secret")); !strings.HasPrefix(got, d.in) {
		t.Fatal(got)
	}
	conn.leave(d)
	check("its owner has logged in", true)
}
