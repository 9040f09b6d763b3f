package imapd

import (
	"strings"
	"testing"

	"posthorn/internal/fault"
)

// Who may read what a URL gives access to (RFC 4467 §3, RFC 4468 §3.3).
func TestMayUse(t *testing.T) {
	program, server := reader{user: "bob@example.test"}, reader{user: "bob@example.test", submits: true}
	for _, tc := range []struct {
		access          string
		program, server bool
	}{
		{"anonymous", true, true},
		{"authuser", true, true},
		{"user+Bob@example.test", true, true},
		{"user+alice@example.test", false, false},
		{"submit+Bob@example.test", false, true},
		{"submit+alice@example.test", false, false},
		{"", false, false},
	} {
		if p, s := program.mayUse(tc.access), server.mayUse(tc.access); p != tc.program || s != tc.server {
			t.Errorf("%q: program %v, server %v", tc.access, p, s)
		}
	}
}

// What is wrong with a URL is told apart only where it says nothing of what is there.
func TestOpenURL(t *testing.T) {
	w := newWorld(t)
	if err := w.deliver("alice", "INBOX", "Subject: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]fault.Kind{
		"http://www.example.test/":                                  fault.Invalid,
		"/INBOX/;uid=1":                                             fault.Invalid,
		"imap://alice@h/INBOX":                                      fault.Invalid,
		"imap://alice@h/INBOX/;uid=1;urlauth=nobody":                fault.Invalid,
		"imap://alice@h/INBOX/;uid=1":                               fault.Unsupported,
		"imap://alice@h/INBOX/;uid=1;urlauth=anonymous":             fault.Denied,
		"imap://alice@h/INBOX/;uid=1;urlauth=anonymous:internal:01": fault.Denied,
		"imap://alice@h/INBOX/;uid=1;urlauth=anonymous:internal:01" + strings.Repeat("00", 40):   fault.Denied,
		"imap://alice@h/Nowhere/;uid=1;urlauth=anonymous:internal:01" + strings.Repeat("00", 40): fault.Denied,
		"imap://alice@h/INBOX/;uid=1;urlauth=anonymous:external:01" + strings.Repeat("00", 40):   fault.Denied,
	} {
		body, err := URLs{Store: w.store}.Open(t.Context(), "alice@example.test", url)
		if body != nil || !fault.Is(err, want) {
			t.Errorf("%s: %v, want %v", url, err, want)
		}
	}
}
