package pop3d

import (
	"context"
	"slices"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// Settings say how an account's mail is shown, and what becomes of it. The zero value
// shows INBOX, deletes what a client deletes, and keeps the rest for ever.
type Settings struct {
	Folder   string // is shown instead of INBOX
	Unread   bool   // only what nobody has read is shown
	Mark     bool   // what was fetched counts as read
	Trash    bool   // what is deleted goes to the mailbox for that
	Expire   int    // days after which mail that was fetched is deleted; 0: never
	Language string // that its owner reads, as in RFC 5646; "": not known
}

// Accounts know the settings of accounts.
type Accounts interface {
	// Settings are those of an account, by its canonical address.
	Settings(ctx context.Context, name string) (Settings, error)
	// Shortest is the smallest Expire of all accounts but 0, and whether theirs differ.
	Shortest(ctx context.Context) (days int, differ bool, err error)
}

// alike are accounts without settings.
type alike struct{}

func (alike) Settings(context.Context, string) (Settings, error) { return Settings{}, nil }
func (alike) Shortest(context.Context) (int, bool, error)        { return 0, false, nil }

// errNoFolder is that of an account whose folder is gone.
var errNoFolder = fault.New(fault.NotFound, "pop3d: the folder that is to be shown is not there")

// mailbox is the one that is shown. Errors: errNoFolder.
func (s *Settings) mailbox(ctx context.Context, account *store.Account) (store.MailboxID, error) {
	if s.Folder == "" {
		return store.InboxID, nil
	}
	m, err := account.Mailbox(ctx, s.Folder)
	if fault.Is(err, fault.NotFound) {
		err = errNoFolder
	}
	return m.ID, err
}

// trashOf finds the mailbox for what is deleted, and makes it if there is none.
func trashOf(ctx context.Context, account *store.Account) (id store.MailboxID, err error) {
	const use, name = `\Trash`, "Trash"
	all, err := account.Mailboxes(ctx)
	if err != nil {
		return 0, err
	}
	for _, m := range all {
		if slices.Contains(m.SpecialUses(), use) || m.Name == name && id == 0 {
			id = m.ID
		}
	}
	if id != 0 {
		return id, nil
	}
	err = account.Update(ctx, func(tx *store.Tx) error {
		m, err := tx.CreateMailbox(name, use)
		id = m.ID
		return err
	})
	return id, err
}

// takeOut takes messages out of a mailbox: into the trash, if there is one.
func takeOut(tx *store.Tx, from store.MailboxID, uids []store.UIDRange, trash store.MailboxID) (err error) {
	if trash != 0 {
		_, err = tx.Move(from, uids, trash)
	} else {
		_, err = tx.Remove(from, uids)
	}
	return err
}

// Expire deletes what was fetched from an account so long ago that its time is over,
// but not what is flagged, and says how many messages that were.
func Expire(ctx context.Context, account *store.Account, s Settings, now time.Time) (int, error) {
	if s.Expire == 0 {
		return 0, nil
	}
	id, err := s.mailbox(ctx, account)
	if err != nil {
		return 0, err
	}
	due, err := account.FetchedBefore(ctx, id, now.AddDate(0, 0, -s.Expire))
	if err != nil || len(due) == 0 {
		return 0, err
	}
	snap, err := account.Snapshot(ctx, id)
	if err != nil {
		return 0, err
	}
	var doomed []store.UIDRange
	snap.EachUID(due, func(_ int, e store.Entry) bool {
		if e.Flags&store.Flagged == 0 {
			doomed = append(doomed, store.UIDRange{First: e.UID, Last: e.UID})
		}
		return true
	})
	if len(doomed) == 0 {
		return 0, nil
	}
	d := &maildrop{account: account, snap: snap, settings: s}
	trash, err := d.trash(ctx, true)
	if err != nil {
		return 0, err
	}
	return len(doomed), account.Update(ctx, func(tx *store.Tx) error { return takeOut(tx, id, doomed, trash) })
}
