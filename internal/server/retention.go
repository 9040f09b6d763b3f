package server

import (
	"context"
	"slices"
	"time"

	"posthorn/internal/directory"
	"posthorn/internal/store"
)

// retentionBatch is how many messages are deleted in one commit.
const retentionBatch = 5000

// deleteOldNow deletes what has been in a mailbox for longer than its account wants, but not
// what is flagged. As whatever is deleted, it can be brought back for 30 days.
func (d *Data) deleteOldNow(ctx context.Context) error { return d.deleteOld(ctx, time.Now()) }

func (d *Data) deleteOld(ctx context.Context, now time.Time) error {
	var due []directory.Account
	err := d.Directory.Accounts(ctx, func(a directory.Account) bool {
		if len(a.Retention) > 0 {
			due = append(due, a)
		}
		return true
	})
	if err != nil {
		return err
	}
	for i := range due {
		if err := d.deleteOldOf(ctx, &due[i], now); err != nil {
			return err
		}
	}
	return nil
}

func (d *Data) deleteOldOf(ctx context.Context, a *directory.Account, now time.Time) error {
	account := d.Store.Account(store.AccountID(a.ID))
	mailboxes, err := account.Mailboxes(ctx)
	if err != nil {
		return err
	}
	for i := range mailboxes {
		m := &mailboxes[i]
		days := retention(a, m)
		if days == 0 {
			continue
		}
		n, err := deleteBefore(ctx, account, m.ID, now.AddDate(0, 0, -days))
		if n > 0 {
			d.trail.Log.InfoContext(ctx, "messages were deleted, as their account wants",
				"account", a.Address.String(), "mailbox", m.Name, "messages", n, "days", days)
			d.deletedByAge(a, m.Name, n, days)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// retention is after how many days messages in a mailbox are deleted; 0: never. A name
// counts before a special use, and of several uses the one that keeps longest.
func retention(a *directory.Account, m *store.Mailbox) (days int) {
	if days, ok := a.Retention[m.Name]; ok {
		return days
	}
	for _, use := range m.SpecialUses() {
		days = max(days, a.Retention[use[1:]])
	}
	return days
}

// deleteBefore deletes what came into a mailbox before a moment.
func deleteBefore(ctx context.Context, account *store.Account, id store.MailboxID, before time.Time) (n int, err error) {
	snap, err := account.Snapshot(ctx, id)
	if err != nil {
		return 0, err
	}
	var doomed []store.UIDRange
	snap.Each(1, snap.Len(), func(_ int, e store.Entry) bool {
		came := int64(e.Saved)
		if came == 0 { // it came before this was kept
			came = e.InternalDate
		}
		if came < before.Unix() && e.Flags&store.Flagged == 0 {
			doomed = append(doomed, store.UIDRange{First: e.UID, Last: e.UID})
		}
		return true
	})
	for batch := range slices.Chunk(doomed, retentionBatch) {
		err := account.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Remove(id, batch)
			return err
		})
		if err != nil {
			return n, err
		}
		n += len(batch)
	}
	return n, nil
}
