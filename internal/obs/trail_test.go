package obs

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// kept is a Recorder.
type kept []Event

func (k *kept) Record(e *Event) { *k = append(*k, *e) }

// Each event is one line in the log, with the text and the attributes that operators
// and their tools know.
func TestTrailTellsBoth(t *testing.T) {
	at := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	for _, tc := range []struct {
		event Event
		want  string
	}{
		{
			Event{Kind: AuthFailed, User: "mallory", Error: "wrong password", Conn: "c", Hello: "pc"},
			`level=INFO msg="authentication failed" user=mallory error="wrong password"`,
		},
		{
			Event{Kind: SenderRefused, Message: "id1", Rule: "auth-required", Reply: "530 5.7.0 Authenticate first"},
			`level=INFO msg="sender refused" id=id1 from="" rule=auth-required reply="530 5.7.0 Authenticate first"`,
		},
		{
			Event{Kind: RecipientRefused, Message: "id1", From: "a@x.test", To: []EventRecipient{{Address: "b@y.test"}}, Level: slog.LevelWarn, Error: errors.ErrUnsupported.Error()},
			`level=WARN msg="recipient refused" id=id1 from=a@x.test to=b@y.test error="unsupported operation"`,
		},
		{
			Event{Kind: MessageRefused, Message: "id1", From: "a@x.test", Rule: "mail-loop", Reply: "554 5.4.6 Loop"},
			`level=INFO msg="message refused" id=id1 from=a@x.test size=0 rule=mail-loop reply="554 5.4.6 Loop"`,
		},
		{
			Event{
				Kind: Accepted, Message: "id1", MessageID: "<m@x.test>", From: "a@x.test", Size: 14, Took: 1500 * time.Microsecond,
				To: []EventRecipient{{Address: "b@y.test", Accounts: []uint64{1}}, {Address: "c@z.test", Queued: true}},
			},
			`level=INFO msg="message accepted" id=id1 from=a@x.test to="[b@y.test c@z.test]" size=14 tls=none took=1.5ms`,
		},
		{
			Event{Kind: Delivered, Message: "id1", From: "a@x.test", To: []EventRecipient{{Address: "c@z.test"}}, Destination: "z.test", Attempts: 1},
			`level=INFO msg=delivered id=id1 from=a@x.test to=c@z.test destination=z.test remote="" reply="" attempts=1`,
		},
		{
			Event{Kind: Deferred, Message: "id1", From: "a@x.test", To: []EventRecipient{{Address: "c@z.test"}}, Destination: "z.test", Host: "mx.z.test [192.0.2.1]", Reply: "450 Later", Attempts: 2, Next: at},
			`level=INFO msg=deferred id=id1 from=a@x.test to=c@z.test destination=z.test remote="mx.z.test [192.0.2.1]" reply="450 Later" attempts=2 next=2026-11-22T01:02:03.000Z`,
		},
		{
			Event{Kind: Notified, Message: "id1", From: "a@x.test", To: []EventRecipient{{Address: "c@z.test"}}, Action: "failed", Related: "id2"},
			`level=INFO msg="notification sent" id=id1 from=a@x.test to=[c@z.test] action=failed related=id2`,
		},
	} {
		var out bytes.Buffer
		var k kept
		trail := Trail{Log: slog.New(slog.NewTextHandler(&out, nil)), Recorder: &k}
		trail.Tell(t.Context(), &tc.event)
		_, line, _ := strings.Cut(out.String(), " ")
		if line = strings.TrimSpace(line); line != tc.want {
			t.Errorf("logged\n%s, want\n%s", line, tc.want)
		}
		if len(k) != 1 || k[0].Kind != tc.event.Kind || k[0].Time.IsZero() {
			t.Errorf("kept %+v", k)
		}
	}
}

// The history is no less whole where the log is short.
func TestTrailKeepsWhatIsNotLogged(t *testing.T) {
	var out bytes.Buffer
	var k kept
	quiet := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}))
	Trail{quiet, &k}.Tell(t.Context(), &Event{Kind: Delivered})
	Trail{quiet, nil}.Tell(t.Context(), &Event{Kind: Delivered})
	if len(k) != 1 || out.Len() > 0 {
		t.Errorf("kept %v, logged %q", k, &out)
	}
}

func TestEveryKindHasItsOwnName(t *testing.T) {
	seen := map[string]bool{}
	for k := range numKinds {
		if name := k.String(); name == "" || seen[name] {
			t.Errorf("kind %d is %q", k, name)
		} else {
			seen[name] = true
		}
		if got := EventKindNamed(k.String()); got != k {
			t.Errorf("kind %d is found as %d", k, got)
		}
	}
	if got := EventKind(200).String(); got != "event 200" {
		t.Errorf("a kind of the future is %q", got)
	}
}
