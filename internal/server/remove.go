package server

import (
	"context"

	"posthorn/internal/audit"
	"posthorn/internal/obs"
	"posthorn/internal/store"
)

// removeAccounts removes what was deleted so long ago that nobody can bring it back: the
// mail first, so that what breaks off is begun again.
func (d *Data) removeAccounts(ctx context.Context) error {
	due, err := d.Directory.Expire(ctx)
	if err != nil {
		return err
	}
	for _, account := range due {
		id := store.AccountID(account.ID)
		if err := d.Store.RemoveAccount(ctx, id); err != nil {
			return err
		}
		if err := d.Index.Remove(ctx, id); err != nil {
			return err
		}
		if err := d.Abuse.Remove(ctx, uint64(id)); err != nil {
			return err
		}
		if err := d.Directory.Remove(ctx, account.ID); err != nil {
			return err
		}
		d.trail.Log.InfoContext(ctx, "an account that was deleted is removed for good",
			"account", account.Address.String(), "deleted", account.Deleted)
		d.Audit.Record(&obs.Event{Kind: obs.Administered, By: audit.Itself, Action: "account/remove", User: account.Address.String()})
	}
	return nil
}
