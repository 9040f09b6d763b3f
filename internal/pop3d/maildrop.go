package pop3d

import (
	"context"
	"log/slog"
	"strconv"
	"strings"

	"posthorn/internal/store"
)

// maildrop is a mailbox as one session sees it: a snapshot of it, or of it those
// messages that nobody has read. A message's number is its place in that.
type maildrop struct {
	account  *store.Account
	user     string // whose it is
	settings Settings
	snap     *store.Snapshot
	shown    []uint32 // the sequence number of each message; nil: all of them are shown

	marks   bits    // those that DELE named
	marked  int     // how many
	less    int64   // and their size
	size    int64   // of all messages; 0 until it is asked for
	last    int     // the highest number that was read
	fetched bits    // those that RETR has sent, if anybody wants to know
	inOrder inOrder // for clients that go on in order

	retrieved, removed int // for the log
}

// bits has one for each message; nil while there is none.
type bits []uint64

func (b bits) has(n int) bool { return b != nil && b[n/64]&(1<<(n%64)) != 0 }

// set sets one of so many.
func (b *bits) set(n, of int) {
	if *b == nil {
		*b = make(bits, of/64+1)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

// openMaildrop shows an account's mailbox as its settings say. Errors: errNoFolder.
func openMaildrop(ctx context.Context, account *store.Account, settings Settings) (*maildrop, error) {
	id, err := settings.mailbox(ctx, account)
	if err != nil {
		return nil, err
	}
	snap, err := account.Snapshot(ctx, id)
	if err != nil {
		return nil, err
	}
	d := &maildrop{account: account, snap: snap, settings: settings}
	if settings.Unread {
		d.shown = []uint32{}
		snap.EachUnseen(func(seq int, _ store.Entry) bool {
			d.shown = append(d.shown, uint32(seq))
			return true
		})
	}
	return d, nil
}

// messages is how many there are, marked or not.
func (d *maildrop) messages() int {
	if d.shown != nil {
		return len(d.shown)
	}
	return d.snap.Len()
}

// seq is the place of a message in the snapshot.
func (d *maildrop) seq(number int) int {
	if d.shown != nil {
		return int(d.shown[number-1])
	}
	return number
}

// lookup finds the message that an argument names.
func (d *maildrop) lookup(arg string) (number int, e store.Entry, ok bool) {
	arg = strings.TrimSpace(arg)
	number, err := strconv.Atoi(arg)
	if err != nil || arg[0] == '+' || number < 1 || number > d.messages() || d.marks.has(number) {
		return 0, store.Entry{}, false
	}
	return number, d.snap.At(d.seq(number)), true
}

func (d *maildrop) mark(number int, e store.Entry) {
	d.marks.set(number, d.messages())
	d.marked++
	d.less += int64(e.Size)
}

// reset takes back what was marked, and what was read last (RFC 1460: RSET).
func (d *maildrop) reset() { d.marks, d.marked, d.less, d.last = nil, 0, 0, 0 }

// total is the number and the size of the messages that are not marked.
func (d *maildrop) total() (messages int, size int64) {
	if d.size == 0 {
		d.eachOf(1, d.messages(), func(_ int, e store.Entry) { d.size += int64(e.Size) })
	}
	return d.messages() - d.marked, d.size - d.less
}

// each visits the messages with these numbers that are not marked.
func (d *maildrop) each(from, to int, fn func(number int, e store.Entry)) {
	d.eachOf(from, to, func(number int, e store.Entry) {
		if !d.marks.has(number) {
			fn(number, e)
		}
	})
}

// eachOf visits the messages with these numbers, marked or not.
func (d *maildrop) eachOf(from, to int, fn func(number int, e store.Entry)) {
	if d.shown == nil {
		d.snap.Each(from, to, func(seq int, e store.Entry) bool {
			fn(seq, e)
			return true
		})
		return
	}
	for number := from; number <= to; number++ {
		fn(number, d.snap.At(d.seq(number)))
	}
}

// read notes that a message was read.
func (d *maildrop) read(number int) { d.last = max(d.last, number) }

// got notes that a message was sent whole.
func (d *maildrop) got(number int) {
	d.retrieved++
	if d.settings.Mark || d.settings.Expire > 0 {
		d.fetched.set(number, d.messages())
	}
}

// chosen gives the UIDs of those whose bit is set.
func (d *maildrop) chosen(b bits) []store.UIDRange {
	if b == nil {
		return nil
	}
	var all []store.UIDRange
	last := 0
	d.eachOf(1, d.messages(), func(number int, e store.Entry) {
		seq := d.seq(number)
		switch {
		case !b.has(number):
			return
		case last > 0 && last == seq-1:
			// UIDs between neighbours are gone for ever, so that a range may span them.
			all[len(all)-1].Last = e.UID
		default:
			all = append(all, store.UIDRange{First: e.UID, Last: e.UID})
		}
		last = seq
	})
	return all
}

// update is the UPDATE state (RFC 1939 §6): all that the session has decided happens,
// or nothing of it.
func (d *maildrop) update(ctx context.Context) error {
	doomed, fetched := d.chosen(d.marks), d.chosen(d.fetched)
	if len(doomed) == 0 && len(fetched) == 0 {
		return nil
	}
	trash, err := d.trash(ctx, len(doomed) > 0)
	if err != nil {
		return err
	}
	mailbox := d.snap.Mailbox()
	err = d.account.Update(ctx, func(tx *store.Tx) error {
		if d.settings.Mark && len(fetched) > 0 {
			if _, err := tx.Store(mailbox, fetched, store.FlagChange{Op: store.AddFlags, Flags: []string{`\Seen`}}); err != nil {
				return err
			}
		}
		if len(doomed) > 0 {
			if err := takeOut(tx, mailbox, doomed, trash); err != nil {
				return err
			}
		}
		if d.settings.Expire == 0 || len(fetched) == 0 {
			return nil
		}
		return tx.NoteFetched(mailbox, fetched) // those that are left
	})
	if err == nil {
		d.removed = d.marked
	}
	return err
}

// trash is the mailbox that messages go to when they are deleted; 0: they go away.
func (d *maildrop) trash(ctx context.Context, needed bool) (store.MailboxID, error) {
	if !needed || !d.settings.Trash {
		return 0, nil
	}
	id, err := trashOf(ctx, d.account)
	if id == d.snap.Mailbox() {
		id = 0
	}
	return id, err
}

func (d *maildrop) logEnd(log *slog.Logger) {
	log.Info("session ended", "messages", d.messages(), "retrieved", d.retrieved, "removed", d.removed)
}
