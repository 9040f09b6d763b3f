package server

import (
	"strings"
	"testing"

	"posthorn/internal/addr"
	"posthorn/internal/config"
	"posthorn/internal/notice"
)

// A letter to an account here is in its mailbox when Post returns; the operator's goes
// where the configuration of now says.
func TestNotices(t *testing.T) {
	c := testConfig(t, config.Submission)
	c.Operator = "alice@example.test"
	h := openHouse(t, c, "alice@example.test")
	letter := notice.Letter{Kind: notice.CertificateTrouble, Account: "old.pem", Values: map[string]string{"problem": "it has ended"}}
	for range 2 {
		if err := h.data.Notices.Post(t.Context(), letter); err != nil {
			t.Fatal(err)
		}
	}
	got := h.inbox(1)
	for _, want := range []string{"Return-Path: <>", "<postmaster@mail.example.test>", "Subject: Certificate old.pem: it has ended", "Auto-Submitted: auto-generated"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "Subject: Certificate"); n != 1 {
		t.Errorf("%d letters", n)
	}
	next := *c
	next.Operator = "operator@elsewhere.test"
	if err := h.Reload(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	if got, want := h.data.noticeSite().Operator, (addr.Address{Local: "operator", Domain: "elsewhere.test"}); got != want {
		t.Errorf("the operator is %v, want %v", got, want)
	}
}
