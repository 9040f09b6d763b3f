package store

import (
	"context"
	"errors"
	"time"

	"posthorn/internal/blob"
	"posthorn/internal/kv"
)

const (
	// blobGrace is how old a blob must be before Maintain may find it unreferenced:
	// far longer than a body can wait for the commit that names it.
	blobGrace = 2 * time.Hour
	// feedRetention is how long the feed reaches back, for clients that come back.
	feedRetention = 30 * 24 * time.Hour
)

// Maintain does the slow work once, account by account: it removes what has been
// deleted for longer than the undelete window, cuts the feed's old end off, completes
// entries that an older program wrote, and deletes blobs that nothing has referred to in two runs. One caller at a time.
// Trouble with one account is logged and stops no other.
func (s *Store) Maintain(ctx context.Context) error {
	var failed []error
	err := s.eachAccount(ctx, func(a *Account) {
		if err := a.maintain(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("maintenance of an account failed", "account", a.id, "error", err)
			failed = append(failed, err)
		}
	})
	if err == nil {
		err = s.sweepBlobs(ctx)
	}
	return errors.Join(append(failed, err)...)
}

// eachAccount calls fn for every account that has been used.
func (s *Store) eachAccount(ctx context.Context, fn func(*Account)) error {
	var bad error
	err := s.engine.Shards(ctx, accountShards, func(shard kv.Shard) bool {
		id, err := accountOf(shard)
		if err != nil {
			bad = err
			return true
		}
		fn(s.Account(id))
		return ctx.Err() == nil
	})
	return errors.Join(err, bad)
}

func (a *Account) maintain(ctx context.Context) error {
	cutoff := a.store.clock().Add(-a.store.retention).Unix()
	for {
		due, err := a.due(ctx, cutoff)
		if err != nil {
			return err
		}
		if due == nil {
			break
		}
		if err := a.Update(ctx, func(tx *Tx) error { return tx.sweep(due) }); err != nil {
			return err
		}
	}
	if err := a.trimFeeds(ctx); err != nil {
		return err
	}
	return a.identify(ctx)
}

// due is the key of the oldest note whose time has come; nil if there is none.
func (a *Account) due(ctx context.Context, cutoff int64) (due []byte, err error) {
	err = a.view(ctx, func(r kv.Reader) error {
		due = nil
		return r.Scan(kv.Range{From: []byte{'X'}, To: keyExpunged(cutoff+1, 0, 0, 0), Limit: 1}, func(k, _ []byte) bool {
			due = append(due, k...)
			return false
		})
	})
	return due, err
}

// sweep removes messages that a note tells of, and the note with the last of them.
func (tx *Tx) sweep(note []byte) error {
	v, ok, err := tx.w.Get(note)
	if err != nil || !ok {
		return err
	}
	notes, err := decodeNotes(v)
	if err != nil {
		return err
	}
	id := noteMailbox(note)
	var gone []departed
	for _, n := range notes {
		if gone = append(gone, n.gone...); n.gone == nil {
			old, err := tx.recordsLeft(id, n.uids, maxNoted-len(gone))
			if err != nil {
				return err
			}
			gone = append(gone, old...)
		}
	}
	if err := tx.forget(id, gone); err != nil {
		return err
	}
	if len(gone) == maxNoted && notes[0].gone == nil {
		return nil // there may be more
	}
	return tx.w.Delete(note)
}

// trimFeeds cuts off what is old and, of mailboxes, in the checkpoint.
func (a *Account) trimFeeds(ctx context.Context) error {
	boxes, err := a.Mailboxes(ctx)
	if err != nil {
		return err
	}
	cutoff := a.store.clock().Add(-feedRetention).Unix()
	if err := a.trimTree(ctx, cutoff); err != nil {
		return err
	}
	for _, m := range boxes {
		if floor, err := a.trimmable(ctx, m.ID, cutoff); err != nil || floor == 0 {
			if err != nil {
				return err
			}
			continue
		}
		err := a.Update(ctx, func(tx *Tx) error { return tx.trimFeed(m.ID, cutoff) })
		if err != nil {
			return err
		}
	}
	return nil
}

// trimmable is where the feed of a mailbox can be cut; 0 if there is nothing to cut.
func (a *Account) trimmable(ctx context.Context, id MailboxID, cutoff int64) (floor ModSeq, err error) {
	err = a.view(ctx, func(r kv.Reader) error {
		m, err := readMailbox(r, id)
		if err != nil {
			return err
		}
		floor, err = m.newFloor(r, cutoff, 1)
		return err
	})
	return floor, err
}

// newFloor finds the last of the next limit feed records (0: all) that is old and
// in the checkpoint; 0 if none is.
func (m *mailbox) newFloor(r kv.Reader, cutoff int64, limit int) (ModSeq, error) {
	return lastBefore(r, m.ID, m.feedFloor, m.checkpoint, cutoff, limit)
}

// lastBefore finds the last of a feed's records in (after, upTo], limit of them at the
// most (0: all), that is not younger than the cutoff; 0 if none is.
func lastBefore(r kv.Reader, id MailboxID, after, upTo ModSeq, cutoff int64, limit int) (last ModSeq, err error) {
	rg := kv.Range{From: keyFeed(id, after+1), To: keyFeed(id, upTo+1), Limit: limit}
	var bad error
	err = r.Scan(rg, func(k, v []byte) bool {
		var f *feedRecord
		if f, bad = decodeFeed(modSeqOf(k), v); bad != nil || f.time > cutoff {
			return false
		}
		last = f.modSeq
		return true
	})
	return last, errors.Join(err, bad)
}

func (tx *Tx) trimFeed(id MailboxID, cutoff int64) error {
	b, err := tx.box(id)
	if err != nil {
		return err
	}
	floor, err := b.newFloor(tx.w, cutoff, 0)
	if err != nil || floor == 0 {
		return err
	}
	b.feedFloor, b.dirty = floor, true
	return tx.w.DeleteRange(keyFeed(id, 0), keyFeed(id, floor+1))
}

// sweepBlobs deletes the blobs that nobody refers to. A blob must be found so in two
// runs: a reference that moves while one run looks at accounts and other holders in
// turn is seen by the other.
func (s *Store) sweepBlobs(ctx context.Context) error {
	old := s.clock().Add(-blobGrace)
	garbage := map[blob.ID]bool{}
	err := s.blobs.List(ctx, func(b blob.Info) bool {
		if b.Created.Before(old) {
			garbage[b.ID] = true
		}
		return true
	})
	if err != nil || len(garbage) == 0 {
		s.suspects = nil
		return err
	}
	if err := s.references(ctx, func(id blob.ID) { delete(garbage, id) }); err != nil {
		return err
	}
	for id := range garbage {
		if !s.suspects[id] {
			continue
		}
		delete(garbage, id)
		if err := s.blobs.Delete(ctx, id); err != nil {
			return err
		}
		s.log.Info("removed an unreferenced body", "blob", id)
	}
	s.suspects = garbage
	return nil
}

// references calls fn for every blob that somebody refers to. When it fails, it may
// have missed any of them.
func (s *Store) references(ctx context.Context, fn func(blob.ID)) error {
	var failed error
	err := s.eachAccount(ctx, func(a *Account) {
		err := a.view(ctx, func(r kv.Reader) error {
			return r.Scan(kv.Prefix([]byte{'L'}), func(k, _ []byte) bool {
				fn(blob.ID(k[1:]))
				return true
			})
		})
		failed = errors.Join(failed, err)
	})
	held := s.held(ctx, func(id blob.ID) bool {
		fn(id)
		return true
	})
	// eachAccount ends early, without an error, when ctx does.
	return errors.Join(err, failed, held, ctx.Err())
}
