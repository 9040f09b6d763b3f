package server

import (
	"strings"
	"testing"

	"posthorn/internal/config"
	"posthorn/internal/tlsrpt"
)

// A report goes the way of all mail; here, into a mailbox of ours.
func TestSendReport(t *testing.T) {
	c := testConfig(t, config.Submission)
	c.Reports.From = "tls-reports@example.test"
	h := openHouse(t, c, "alice@example.test")
	o := h.relay.reports.Load()
	r := tlsrpt.Report{Domain: "remote.test", Day: "2026-11-22", Submitter: o.Hostname, Contact: o.From, Tally: new(tlsrpt.Tally)}
	if err := o.Send(t.Context(), "alice@example.test", r.Message("alice@example.test")); err != nil {
		t.Fatal(err)
	}
	got := h.inbox(1)
	for _, want := range []string{"Return-Path: <tls-reports@example.test>", "From: <tls-reports@example.test>", "TLS-Report-Domain: remote.test"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if err := o.Send(t.Context(), "nonsense", nil); err == nil {
		t.Error("sent to nobody")
	}
	next := *c
	next.Reports.From = ""
	if err := h.Reload(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	if got := h.relay.reports.Load().From; got != "" {
		t.Errorf("reports still come from %s", got)
	}
}
