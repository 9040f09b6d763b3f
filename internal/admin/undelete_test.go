package admin

import (
	"fmt"
	"io"
	"testing"

	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// TestUndelete deletes mail in each way and brings it back, from where it was asked.
func TestUndelete(t *testing.T) {
	a := newAdmin(t)
	c := Local(a)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := AddDomain.Call(t.Context(), c, Name{"example.test"})
	must(err)
	account, err := AddAccount.Call(t.Context(), c, Credentials{Address: "alice@example.test", Password: "secret"})
	must(err)
	mail := a.o.Store.Account(store.AccountID(account.ID))
	in := a.o.Store.NewIncoming(t.Context())
	io.WriteString(in, "Subject: x\r\n\r\ntext\r\n")
	m, err := in.Finish()
	must(err)
	update := func(fn func(tx *store.Tx) error) {
		t.Helper()
		must(mail.Update(t.Context(), fn))
	}
	fill := func(name string, messages int) {
		t.Helper()
		update(func(tx *store.Tx) error {
			box, err := tx.Mailbox(name)
			for range messages {
				if err == nil {
					_, err = tx.Append(box.ID, m, store.AppendOptions{})
				}
			}
			return err
		})
	}
	undelete := func(o UndeleteOrder, want string) {
		t.Helper()
		o.Name = "alice@example.test"
		found, err := Undelete.Call(t.Context(), c, o)
		must(err)
		got := ""
		for _, d := range found {
			got += fmt.Sprintf("%s>%s %d;", d.Mailbox, d.To, d.Messages)
		}
		if got != want {
			t.Errorf("%+v gives %s, want %s", o, got, want)
		}
	}
	undelete(UndeleteOrder{}, "")
	fill("INBOX", 5)
	update(func(tx *store.Tx) error { _, err := tx.CreateMailbox("项目", ""); return err })
	fill("项目", 3)
	update(func(tx *store.Tx) error {
		_, err := tx.Remove(store.InboxID, []store.UIDRange{{First: 2, Last: 3}})
		return err
	})
	update(func(tx *store.Tx) error { return tx.DeleteMailbox("项目") })
	const both = "INBOX>INBOX 2;项目>项目 3;"
	undelete(UndeleteOrder{}, both)
	undelete(UndeleteOrder{SinceSeconds: 3600}, both)
	undelete(UndeleteOrder{Mailbox: "项目", To: "inbox"}, "项目>INBOX 3;")
	undelete(UndeleteOrder{Mailbox: "Sent", Restore: true}, "")
	if _, err := mail.Mailbox(t.Context(), "项目"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a mailbox was made by asking: %v", err)
	}
	undelete(UndeleteOrder{Mailbox: "Inbox", To: "Back/Again", Restore: true}, "INBOX>Back/Again 2;")
	undelete(UndeleteOrder{Restore: true}, "项目>项目 3;")
	undelete(UndeleteOrder{Restore: true}, "")
	for name, want := range map[string]uint32{"INBOX": 3, "Back/Again": 2, "项目": 3} {
		if box, err := mail.Mailbox(t.Context(), name); err != nil || box.Messages != want || box.Unseen > 3 {
			t.Errorf("%s has %d messages (%v), want %d", name, box.Messages, err, want)
		}
	}
	for _, o := range []UndeleteOrder{{Name: "nobody@example.test"}, {Name: "alice@example.test", To: "a//b"}} {
		if _, err := Undelete.Call(t.Context(), c, o); !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	checked, err := Verify.Call(t.Context(), c, Nothing{})
	if must(err); len(checked.Problems) > 0 {
		t.Error(checked.Problems)
	}
}
