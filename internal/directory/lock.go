package directory

import (
	"context"

	"posthorn/internal/addr"
)

// Lock closes an account whose password somebody else has: all of its app passwords are
// removed, its sessions end, and nobody logs in, by whatever means, until it gets another
// password (SetPassword) or, if another directory keeps that, is made active (Set). Mail for
// it is taken. It returns the app passwords. Kind of error: NotFound.
func (d *Directory) Lock(ctx context.Context, address addr.Address) (removed []AppPassword, err error) {
	err = d.changeSecrets(ctx, address, func(a *Account, rec *secretsRecord) error {
		removed = nil
		for i := range rec.Apps {
			removed = append(removed, rec.Apps[i].public())
		}
		rec.Apps = nil
		if a.Locked.IsZero() {
			a.Locked = d.clock().UTC()
		}
		return nil
	})
	return removed, err
}
