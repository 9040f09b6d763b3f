package pop3d

import (
	"context"
	"log/slog"
	"strconv"
	"sync"

	"posthorn/internal/store"
)

// Locks are the maildrops that have a session. They are of the process alone: two
// sessions at different nodes do each other no harm, as each works on its own
// snapshot and a message can be removed only once.
type Locks struct {
	mu   sync.Mutex
	held map[store.AccountID]struct{}
}

// NewLocks makes a set of locks, all of them free.
func NewLocks() *Locks { return &Locks{held: make(map[store.AccountID]struct{})} }

func (l *Locks) take(id store.AccountID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, taken := l.held[id]; taken {
		return false
	}
	l.held[id] = struct{}{}
	return true
}

func (l *Locks) release(id store.AccountID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, id)
}

// maildrop is INBOX as one session sees it. A message's number is its sequence
// number in the snapshot.
type maildrop struct {
	account *store.Account
	snap    *store.Snapshot
	marks   []uint64 // a bit for each number that DELE named; nil while there is none
	marked  int      // how many
	less    int64    // and their size
	size    int64    // of all messages; 0 until it is asked for

	retrieved, removed int // for the log
}

// lookup finds the message that an argument names.
func (d *maildrop) lookup(arg string) (seq int, e store.Entry, ok bool) {
	seq, err := strconv.Atoi(arg)
	if err != nil || arg[0] == '+' || seq < 1 || seq > d.snap.Len() || d.isMarked(seq) {
		return 0, store.Entry{}, false
	}
	return seq, d.snap.At(seq), true
}

func (d *maildrop) isMarked(seq int) bool {
	return d.marks != nil && d.marks[seq/64]&(1<<(seq%64)) != 0
}

func (d *maildrop) mark(seq int, e store.Entry) {
	if d.marks == nil {
		d.marks = make([]uint64, d.snap.Len()/64+1)
	}
	d.marks[seq/64] |= 1 << (seq % 64)
	d.marked++
	d.less += int64(e.Size)
}

func (d *maildrop) unmark() { d.marks, d.marked, d.less = nil, 0, 0 }

// total is the number and the size of the messages that are not marked.
func (d *maildrop) total() (messages int, size int64) {
	if d.size == 0 {
		d.snap.Each(1, d.snap.Len(), func(_ int, e store.Entry) bool {
			d.size += int64(e.Size)
			return true
		})
	}
	return d.snap.Len() - d.marked, d.size - d.less
}

// each visits the messages that are not marked.
func (d *maildrop) each(fn func(seq int, e store.Entry)) {
	d.snap.Each(1, d.snap.Len(), func(seq int, e store.Entry) bool {
		if !d.isMarked(seq) {
			fn(seq, e)
		}
		return true
	})
}

// remove takes the marked messages out of INBOX, all or none.
func (d *maildrop) remove(ctx context.Context) error {
	if d.marked == 0 {
		return nil
	}
	var doomed []store.UIDRange
	last := 0
	d.snap.Each(1, d.snap.Len(), func(seq int, e store.Entry) bool {
		switch {
		case !d.isMarked(seq):
		case last > 0 && last == seq-1:
			// UIDs between neighbours are gone for ever, so that a range may span them.
			doomed[len(doomed)-1].Last = e.UID
			last = seq
		default:
			doomed = append(doomed, store.UIDRange{First: e.UID, Last: e.UID})
			last = seq
		}
		return true
	})
	err := d.account.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Remove(d.snap.Mailbox(), doomed)
		return err
	})
	if err == nil {
		d.removed = d.marked
	}
	return err
}

func (d *maildrop) logEnd(log *slog.Logger) {
	log.Info("session ended", "messages", d.snap.Len(), "retrieved", d.retrieved, "removed", d.removed)
}
