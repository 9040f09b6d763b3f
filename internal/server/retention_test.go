package server

import (
	"testing"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/store"
)

// TestRetention: a message is deleted after the days that its account gives its mailbox, by
// name or by what the mailbox is for, and not before.
func TestRetention(t *testing.T) {
	h := openHouse(t, testConfig(t, config.Submission), "alice@example.test")
	if err := h.submit("alice@example.test", "old", "alice@example.test"); err != nil {
		t.Fatal(err)
	}
	h.inbox(1)
	now := time.Now()
	for _, step := range []struct {
		days map[string]int
		at   time.Time
		left int
	}{
		{map[string]int{"Trash": 1, "Archive": 1}, now.AddDate(1, 0, 0), 1},
		{map[string]int{"INBOX": 30}, now.AddDate(0, 0, 29), 1},
		{map[string]int{"INBOX": 30}, now.AddDate(0, 0, 31), 0},
	} {
		ask(h, admin.SetRetention, admin.Retention{Address: "alice@example.test", Days: step.days})
		if err := h.data.deleteOld(t.Context(), step.at); err != nil {
			t.Fatal(err)
		}
		if left := h.count(); left != step.left {
			t.Errorf("with %v at %v there are %d messages, want %d", step.days, step.at, left, step.left)
		}
	}
	found := ask(h, admin.SearchAudit, admin.AuditQuery{What: []string{"deletion"}}).Entries
	if len(found) != 1 || found[0].User != "alice@example.test" || found[0].Folder != "INBOX" || found[0].Messages != 1 || found[0].Detail != "after 30 days" {
		t.Errorf("in the audit trail: %+v", found)
	}
}

// TestExpiry: what a POP3 client has fetched is deleted after its days, and that is written
// down.
func TestExpiry(t *testing.T) {
	c := testConfig(t, config.Submission)
	c.POP3.Expire = 30
	h := openHouse(t, c, "alice@example.test")
	if err := h.submit("alice@example.test", "old", "alice@example.test"); err != nil {
		t.Fatal(err)
	}
	h.inbox(1)
	if err := h.account.Update(t.Context(), func(tx *store.Tx) error { return tx.NoteFetched(store.InboxID, store.AllUIDs) }); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ days, left int }{{29, 1}, {31, 0}} {
		if err := h.data.expireMailOf(t.Context(), time.Now().AddDate(0, 0, step.days)); err != nil {
			t.Fatal(err)
		}
		if n := h.count(); n != step.left {
			t.Errorf("after %d days there are %d messages, want %d", step.days, n, step.left)
		}
	}
	found := ask(h, admin.SearchAudit, admin.AuditQuery{What: []string{"deletion"}}).Entries
	if len(found) != 1 || found[0].User != "alice@example.test" || found[0].Folder != "INBOX" || found[0].Detail != "after 30 days" {
		t.Errorf("in the audit trail: %+v", found)
	}
}
