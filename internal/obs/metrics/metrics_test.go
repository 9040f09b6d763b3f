package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"posthorn/internal/obs"
)

type kept int

func (k *kept) Record(*obs.Event) { *k++ }

func TestFigures(t *testing.T) {
	m := New()
	var next kept
	m.Counts.Next = &next
	m.Counts.Record(&obs.Event{Kind: obs.Accepted})
	m.Counts.Record(&obs.Event{Kind: obs.Accepted})
	m.Counts.Record(&obs.Event{Kind: 250}) // of a newer program
	if next != 3 {
		t.Errorf("%d events handed on, want 3", next)
	}
	m.Commit(2 * time.Millisecond)
	w := httptest.NewRecorder()
	m.Handler(Sources{
		Version: "v1",
		Connections: func() map[string]Connections {
			return map[string]Connections{"imap": {Open: 3, Asleep: 2, Accepted: 10, Refused: 1, HandshakesFailed: 4, LoggedIn: 7}}
		},
		Queue: func() Queue { return Queue{Waiting: 5, Due: 1, Active: 2} },
		Certificates: func() []Certificate {
			return []Certificate{{"mail.test", "file", time.Unix(2e9, 0)}, {"mail.test", "file", time.Unix(3e9, 0)}, {"mail.test", "acme", time.Unix(2e9, 0)}}
		},
	}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`posthorn_events_total{kind="message accepted"} 2`, `posthorn_events_total{kind="failed"} 0`,
		`posthorn_connections{protocol="imap"} 3`, `posthorn_connections_asleep{protocol="imap"} 2`,
		`posthorn_connections_accepted_total{protocol="imap"} 10`, `posthorn_logins_total{protocol="imap"} 7`,
		`posthorn_queue_messages{state="waiting"} 5`, `posthorn_certificate_expiry_timestamp_seconds{name="mail.test",source="file"} 2e+09`,
		`posthorn_commit_seconds_bucket{le="0.0039`, `posthorn_commit_seconds_count 1`, `posthorn_build_info{version="v1"} 1`,
		"go_goroutines ",
	} {
		if !strings.Contains(w.Body.String(), want+"\n") && !strings.Contains(w.Body.String(), "\n"+want) {
			t.Errorf("%q is missing in\n%s", want, w.Body)
		}
	}
	if w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
}

// BenchmarkCount: an event costs a few nanoseconds more.
func BenchmarkCount(b *testing.B) {
	m := New()
	e := &obs.Event{Kind: obs.Accepted}
	for b.Loop() {
		m.Counts.Record(e)
	}
}

func BenchmarkCommit(b *testing.B) {
	m := New()
	for b.Loop() {
		m.Commit(time.Millisecond)
	}
}
