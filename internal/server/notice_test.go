package server

import (
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/certs"
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
	if n := h.count(); n != 1 {
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

// The operator hears of a certificate that needs him, and not of one that will be mended
// by itself.
func TestAboutCertificate(t *testing.T) {
	day := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		state certs.State
		want  notice.Kind // "": no letter
		about string
	}{
		"good":             {certs.State{Source: certs.FromFile, File: "a.pem", From: day}, "", ""},
		"a file that ends": {certs.State{Source: certs.FromFile, File: "a.pem", From: day, Problem: "it ends soon"}, notice.CertificateTrouble, "a.pem"},
		"an issued that ends": {
			certs.State{Source: certs.Issued, Names: []string{"mail.test"}, From: day, Problem: "it ends soon"}, notice.CertificateTrouble, "mail.test",
		},
		"not issued yet":    {certs.State{Source: certs.Issued, Names: []string{"mail.test"}, Problem: "none yet"}, "", ""},
		"our own meanwhile": {certs.State{Source: certs.SelfSigned, From: day, Problem: "it signs itself"}, "", ""},
		"failed twice":      {certs.State{Source: certs.Issued, From: day, Attempts: 2, Error: "down"}, "", ""},
		"failed thrice": {
			certs.State{Source: certs.Issued, Names: []string{"mail.test"}, From: day, Problem: "it ends soon", Attempts: 3, Error: "down", Next: day},
			notice.RenewalFailed, "mail.test",
		},
	} {
		l, due := aboutCertificate(tc.state)
		if due != (tc.want != "") || l.Kind != tc.want || l.Account != tc.about {
			t.Errorf("%s: %v, %+v", name, due, l)
		}
	}
}

func TestTellOfCertificates(t *testing.T) {
	c := testConfig(t, config.Submission)
	c.Operator = "alice@example.test"
	writeCertificate(t, c.TLS, "old.example.test")
	h := openHouse(t, c, "alice@example.test")
	for range 2 {
		if err := h.data.tellOfCertificates(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.inbox(1); !strings.Contains(got, "it is not for mail.example.test, but for old.example.test") {
		t.Error(got)
	}
}
