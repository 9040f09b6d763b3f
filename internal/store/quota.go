package store

import (
	"context"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Resources is what an account takes up, or may take up (RFC 9208 §5).
type Resources struct {
	Bytes       int64 // of messages
	Messages    int64
	Mailboxes   int64
	Annotations int64 // bytes of metadata
}

// Quota is an account's limits and what it has of each. A limit of 0 is none; one below
// 0 allows nothing.
type Quota struct{ Limit, Used Resources }

// maxMailboxes is how many mailboxes an account can have, whatever its quota: each of
// them makes every list longer.
const maxMailboxes = 100_000

// Room reports whether there is room for so much more.
func (q *Quota) Room(more Resources) bool {
	fits := func(limit, used, more int64) bool { return limit == 0 || more <= 0 || used+more <= limit }
	return fits(q.Limit.Bytes, q.Used.Bytes, more.Bytes) &&
		fits(q.Limit.Messages, q.Used.Messages, more.Messages) &&
		fits(q.Limit.Mailboxes, q.Used.Mailboxes, more.Mailboxes) &&
		fits(q.Limit.Annotations, q.Used.Annotations, more.Annotations)
}

func (r *Resources) add(more Resources) {
	r.Bytes += more.Bytes
	r.Messages += more.Messages
	r.Mailboxes += more.Mailboxes
	r.Annotations += more.Annotations
}

// Quota reads the account's quota.
func (a *Account) Quota(ctx context.Context) (Quota, error) {
	var q Quota
	err := a.view(ctx, func(r kv.Reader) error {
		h, err := readHead(r)
		q = Quota{h.limit, h.used}
		return err
	})
	return q, err
}

// Quota is the account's quota as of this Tx.
func (tx *Tx) Quota() Quota { return Quota{tx.head.limit, tx.head.used} }

// SetLimits says what the account may take up. What is there already stays.
func (tx *Tx) SetLimits(limit Resources) {
	tx.head.limit = limit
	tx.touch()
}

// tellCharge tells after the commit what has changed, of accounts with limits.
func (tx *Tx) tellCharge() {
	none, after := Resources{}, tx.Quota()
	if charged := tx.account.store.charged; charged != nil && after != tx.before && (after.Limit != none || tx.before.Limit != none) {
		charged(tx.account.id, tx.before, after)
	}
}

// Percent is how much of the bytes and messages that are allowed is used, whichever is more.
func (q Quota) Percent() int {
	of := func(used, limit int64) int {
		if limit == 0 {
			return 0
		}
		return int(min(float64(max(used, 0))*100/float64(max(limit, 1)), 1000))
	}
	return max(of(q.Used.Bytes, q.Limit.Bytes), of(q.Used.Messages, q.Limit.Messages))
}

// charge counts what comes into (or, negative, leaves) the account.
func (tx *Tx) charge(more Resources) error {
	q := tx.Quota()
	if !q.Room(more) {
		return fault.New(fault.OverQuota, "store: account %d is over its quota: %+v are allowed, %+v used, %+v more were wanted",
			tx.account.id, q.Limit, q.Used, more)
	}
	if more.Mailboxes > 0 && q.Used.Mailboxes >= maxMailboxes {
		return fault.New(fault.Limit, "store: account %d has %d mailboxes already", tx.account.id, maxMailboxes)
	}
	tx.head.used.add(more)
	return nil
}
