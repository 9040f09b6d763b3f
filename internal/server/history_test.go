package server

import (
	"fmt"
	"net/smtp"
	"strings"
	"testing"

	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/wire/wiretest"
)

// told waits until the history tells of so many events about something, all of one
// message, and gives them.
func (h *house) told(what string, want int) []admin.HistoryEvent {
	h.t.Helper()
	var events []admin.HistoryEvent
	await(h.t, fmt.Sprintf("%s: not one message with %d events", what, want), func() (any, bool) {
		answer := ask(h, admin.SearchHistory, admin.HistoryQuery{What: what})
		if len(answer.Messages) == 1 {
			events = answer.Messages[0].Events
		}
		return answer, len(events) >= want
	})
	return events
}

// words are what matters of an event.
func words(e *admin.HistoryEvent) string {
	text := e.Kind
	for _, to := range e.To {
		text += " " + to.Address
		if len(to.Accounts) > 0 {
			text += fmt.Sprint(to.Accounts)
		}
		if to.Queued {
			text += "(queued)"
		}
	}
	if e.Mailbox {
		text += " mailbox"
	}
	if e.Rule != "" {
		text += " " + e.Rule
	}
	return text
}

// TestHistoryOfAMessage follows a message from its submission at one server into the
// mailbox at another, and back to its sender for the recipient who is not there.
func TestHistoryOfAMessage(t *testing.T) {
	there := wiretest.Lonely(t)
	cb := testConfig(t, config.SMTP)
	cb.Hostname, cb.Listeners[0].Address = "mx.example.org", there
	ca := testConfig(t, config.Submission)
	ca.Routes = []config.Route{{Domains: []string{"example.org"}, Transport: config.SmartHost, Hosts: []string{there}, TLS: config.Required}}
	a, b := openHouse(t, ca, "alice@example.test"), openHouse(t, cb, "bob@example.org")
	if err := a.submit("alice@example.test", "hello", "bob@example.org", "nobody@example.org"); err != nil {
		t.Fatal(err)
	}
	events := a.told("nobody@example.org", 4)
	got := map[string]*admin.HistoryEvent{}
	for i := range events {
		got[words(&events[i])] = &events[i]
	}
	accepted := got["message accepted bob@example.org(queued) nobody@example.org(queued)"]
	delivered, failed := got["delivered bob@example.org"], got["failed nobody@example.org"]
	notified := got["notification sent nobody@example.org mailbox"]
	if accepted == nil || delivered == nil || failed == nil || notified == nil || len(events) != 4 {
		t.Fatalf("told: %+v", events)
	}
	if accepted.User != "alice@example.test" || accepted.IP != "127.0.0.1" || accepted.Protocol != "submission" || accepted.Size == 0 ||
		!strings.Contains(accepted.MessageID, accepted.ID) || accepted.Time.After(delivered.Time) {
		t.Errorf("accepted: %+v", accepted)
	}
	host, _, _ := strings.Cut(there, ":")
	if !strings.HasPrefix(failed.Reply, "550 5.1.1") || !strings.Contains(failed.Remote, host) || failed.Attempts != 1 || notified.Related == "" {
		t.Errorf("failed: %+v, notified: %+v", failed, notified)
	}

	// The other side's words lead to the other side's history.
	_, id, ok := strings.Cut(delivered.Reply, "Accepted as ")
	if !ok {
		t.Fatalf("delivered: %+v", delivered)
	}
	theirs := b.told(id, 2)
	if len(theirs) != 2 || words(&theirs[0]) != "recipient refused nobody@example.org unknown-recipient" || words(&theirs[1]) != "message accepted bob@example.org[bob@example.org]" ||
		theirs[0].Reply != failed.Reply || theirs[1].MessageID != accepted.MessageID || theirs[1].TLS == "" {
		t.Errorf("the other side tells %+v", theirs)
	}

	// What has been told outlives the process.
	if err := a.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	a = openHouse(t, a.config, "alice@example.test")
	if after := a.told(accepted.MessageID, 4); fmt.Sprint(after) != fmt.Sprint(events) {
		t.Errorf("after a restart: %+v, before: %+v", after, events)
	}
}

// TestHistoryOfRefusals: every refusal is there, with its rule; and a wrong password.
func TestHistoryOfRefusals(t *testing.T) {
	c := testConfig(t, config.Submission)
	a := openHouse(t, c, "alice@example.test")
	if err := a.submit("alice@example.test", "hello", "nobody@example.test"); err == nil {
		t.Error("a message to nobody is taken")
	}
	events := a.told("nobody@example.test", 1)
	if words(&events[0]) != "recipient refused nobody@example.test unknown-recipient" || events[0].From != "alice@example.test" {
		t.Errorf("told: %+v", events)
	}
	a.guess("alice@example.test")
	for _, m := range ask(a, admin.SearchHistory, admin.HistoryQuery{What: "127.0.0.1"}).Messages {
		if m.ID == "" && m.Events[0].Kind == "authentication failed" && m.Events[0].User == "alice@example.test" && m.Events[0].Error != "" {
			return
		}
	}
	t.Error("nothing is told of a wrong password")
}

// guess tries a wrong password.
func (h *house) guess(user string) {
	h.t.Helper()
	c, err := smtp.Dial(h.Address(config.Submission).String())
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(smtp.PlainAuth("", user, "wrong", "127.0.0.1")); err == nil {
		h.t.Error("a wrong password is right")
	}
}
