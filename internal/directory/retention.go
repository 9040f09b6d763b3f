package directory

import (
	"context"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
)

const (
	maxRetention     = 36500 // days
	maxRetentions    = 100   // mailboxes of an account
	longestRetention = 1000  // bytes of a mailbox's name
)

// SetRetention says after how many days messages in some of an account's mailboxes are
// deleted, by name or by special use, Trash for \Trash too; for mailboxes that are not
// named: never. Kinds of errors: Invalid, NotFound.
func (d *Directory) SetRetention(ctx context.Context, address addr.Address, days map[string]int) error {
	if days == nil {
		days = map[string]int{}
	}
	_, err := d.Set(ctx, address, Settings{Retention: days})
	return err
}

func checkRetention(days map[string]int) error {
	if len(days) > maxRetentions {
		return fault.New(fault.Invalid, "%d mailboxes are too many; at most %d", len(days), maxRetentions)
	}
	for mailbox, n := range days {
		if mailbox == "" || len(mailbox) > longestRetention || n < 1 || n > maxRetention {
			return fault.New(fault.Invalid, "messages in %q cannot be deleted after %d days; want the name of a mailbox and 1 to %d", mailbox, n, maxRetention)
		}
	}
	return nil
}
