package smtpd

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/inbound"
	"posthorn/internal/transcript"
)

// scripted is the policy that the transcripts speak of.
func scripted() inbound.Policy {
	return inbound.Policy{MaxSize: 100_000, MaxRecipients: 7, MaxReceived: 100, MaxOwn: 10}
}

func TestMain(m *testing.M) {
	time.Local = time.UTC // in which the scripts are written
	os.Exit(m.Run())
}

func TestTranscripts(t *testing.T) {
	transcript.Run(t, "testdata/*.txtar", func(t *testing.T) transcript.Options {
		h := newHouse(t, scripted())
		return transcript.Options{Dial: h.dial, Commands: h.commands()}
	})
}

// Every kind of fault has a reply, that of its own class, and none of them repeats
// what the error says.
func TestFaultReply(t *testing.T) {
	permanent := map[fault.Kind]bool{
		fault.Invalid: true, fault.Denied: true, fault.Unauthenticated: true, fault.TooLarge: true, fault.Unsupported: true,
	}
	for _, kind := range fault.Kinds() {
		reply := faultReply(fault.New(kind, "pebble: /var/lib/secret: %w", errors.New("errno 28")))
		want := 4
		if permanent[kind] {
			want = 5
		}
		if reply.Class() != want || int(reply.Enhanced[0]) != want || len(reply.Lines) != 1 {
			t.Errorf("%v: %v", kind, reply)
		}
		for _, leak := range []string{"pebble", "secret", "errno"} {
			if strings.Contains(reply.String(), leak) {
				t.Errorf("%v: %v", kind, reply)
			}
		}
	}
	if got := faultReply(errors.New("unclassified")); got.Code != 451 {
		t.Errorf("an unclassified error: %v", got)
	}
}
