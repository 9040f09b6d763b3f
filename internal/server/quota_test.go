package server

import (
	"strings"
	"testing"

	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/store"
)

func TestQuotaLines(t *testing.T) {
	lines := config.Quota{Warning: 80, Urgent: 95}
	quota := func(bytes, messages int64) store.Quota {
		return store.Quota{Limit: store.Resources{Bytes: 1000, Messages: 10}, Used: store.Resources{Bytes: bytes, Messages: messages}}
	}
	for _, tc := range []struct {
		quota store.Quota
		want  int
	}{
		{store.Quota{}, 0},
		{quota(799, 7), 0},
		{quota(800, 0), 1},
		{quota(0, 8), 1},
		{quota(949, 9), 1},
		{quota(950, 0), 2},
		{quota(0, 10), 2},
		{quota(5000, 0), 2},
		{store.Quota{Limit: store.Resources{Bytes: -1}, Used: store.Resources{Bytes: 1}}, 2},
		{store.Quota{Limit: store.Resources{Mailboxes: 1}, Used: store.Resources{Mailboxes: 1}}, 0},
	} {
		if got := quotaLines(lines, tc.quota); got != tc.want {
			t.Errorf("%+v (%d %%) has reached %d lines, want %d", tc.quota, tc.quota.Percent(), got, tc.want)
		}
	}
	if got := quotaLines(config.Quota{}, quota(1000, 10)); got != 0 {
		t.Errorf("lines that are not there: %d", got)
	}
}

// TestQuotaWarnings: alice may have ten messages. The eighth brings her a letter, which is
// the ninth; the tenth another one, which has to wait until there is room.
func TestQuotaWarnings(t *testing.T) {
	c := testConfig(t, config.Submission, config.IMAP)
	h := openHouse(t, c, "alice@example.test")
	limit := int64(10)
	ask(h, admin.SetAccount, admin.AccountSettings{Address: "alice@example.test", Messages: &limit})
	for range 7 {
		h.mustSubmit("alice@example.test", "hello", "alice@example.test")
	}
	if text := h.inbox(7); strings.Contains(text, "% full") {
		t.Errorf("told too early:\n%s", text)
	}
	h.mustSubmit("alice@example.test", "hello", "alice@example.test")
	text := h.inbox(9)
	for _, want := range []string{"Subject: Your mailbox is 80 % full", "8 of 10 messages"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("not once %q in\n%s", want, text)
		}
	}
	h.mustSubmit("alice@example.test", "hello", "alice@example.test")
	h.waitQueued("the second letter", func(all []admin.QueuedMessage) bool { return len(all) == 1 })
	if err := h.submit("alice@example.test", "too much", "alice@example.test"); err == nil {
		t.Error("an eleventh message is taken")
	}
	h.waitQueued("the third letter", func(all []admin.QueuedMessage) bool { return len(all) == 2 })
}
