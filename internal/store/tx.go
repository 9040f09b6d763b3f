package store

import (
	"context"
	"slices"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// MultiTx is an Update of several accounts under way.
type MultiTx struct {
	store    *Store
	tx       kv.Tx
	accounts []*Tx
}

// Update changes several accounts in one atomic, durable commit. fn may be called
// again from its start, and must not block.
func (s *Store) Update(ctx context.Context, ids []AccountID, fn func(tx *MultiTx) error) error {
	return s.UpdateWith(ctx, ids, nil, fn)
}

// UpdateWith is Update with further shards, which are not the store's: what fn
// writes there by MultiTx.In is part of the same commit.
func (s *Store) UpdateWith(ctx context.Context, ids []AccountID, others []kv.Shard, fn func(tx *MultiTx) error) error {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	shards := make([]kv.Shard, len(ids), len(ids)+len(others))
	for i, id := range ids {
		shards[i] = accountShard(id)
	}
	shards = append(shards, others...)
	var done *MultiTx
	err := s.engine.Update(ctx, shards, func(tx kv.Tx) error {
		mt := &MultiTx{store: s, tx: tx}
		for i, id := range ids {
			one, err := newTx(s.Account(id), tx.In(shards[i]))
			if err != nil {
				return err
			}
			mt.accounts = append(mt.accounts, one)
		}
		if err := fn(mt); err != nil {
			return err
		}
		for _, one := range mt.accounts {
			if err := one.flush(); err != nil {
				return err
			}
		}
		done = mt
		return nil
	})
	if err != nil {
		return err
	}
	for _, one := range done.accounts {
		one.publish()
		one.tellCharge()
	}
	return nil
}

// Account gives the part of the Update that concerns one of its accounts.
func (mt *MultiTx) Account(id AccountID) *Tx {
	for _, tx := range mt.accounts {
		if tx.account.id == id {
			return tx
		}
	}
	panic("store: Update of an account that was not named")
}

// In gives the writer of one of the further shards of UpdateWith.
func (mt *MultiTx) In(s kv.Shard) kv.Writer { return mt.tx.In(s) }

// Update changes the account in one atomic, durable commit. fn may be called again
// from its start, and must not block.
func (a *Account) Update(ctx context.Context, fn func(tx *Tx) error) error {
	return a.store.Update(ctx, []AccountID{a.id}, func(mt *MultiTx) error { return fn(mt.accounts[0]) })
}

// Tx is an Update of one account under way. Everything it changes gets one MODSEQ.
type Tx struct {
	account *Account
	w       kv.Writer
	now     time.Time
	head    head
	before  Quota // when the Tx began
	changed bool  // something was changed: the head must be written
	boxes   []*boxTx
	tree    []change // changes of the tree of mailboxes
}

// boxTx is what a Tx knows of a mailbox it has looked at.
type boxTx struct {
	*mailbox
	changes []change
	dirty   bool      // its record must be written even without changes
	gone    bool      // deleted in this Tx
	stale   bool      // snapshots from before lack something that no change tells
	snap    *Snapshot // as of changes[:applied]; nil until asked for
	applied int
}

func newTx(a *Account, w kv.Writer) (*Tx, error) {
	tx := &Tx{account: a, w: w, now: a.store.clock()}
	b, ok, err := w.Get(keyHead)
	if err != nil {
		return nil, err
	}
	if !ok {
		return tx, tx.initialize()
	}
	tx.head, err = completeHead(w, b)
	tx.before = tx.Quota()
	return tx, err
}

// initialize brings an account into being.
func (tx *Tx) initialize() error {
	if _, err := tx.CreateMailbox(Inbox, ""); err != nil {
		return err
	}
	for _, d := range defaultMailboxes {
		if _, err := tx.CreateMailbox(d.name, d.use); err != nil {
			return err
		}
		if err := tx.Subscribe(d.name, true); err != nil {
			return err
		}
	}
	return tx.Subscribe(Inbox, true)
}

// ModSeq is the MODSEQ of the changes of this Update.
func (tx *Tx) ModSeq() ModSeq {
	if tx.changed {
		return tx.head.modSeq
	}
	return tx.head.modSeq + 1
}

// touch gives the MODSEQ out, as something changes.
func (tx *Tx) touch() ModSeq {
	if !tx.changed {
		tx.head.modSeq++
		tx.changed = true
	}
	return tx.head.modSeq
}

// box gives a mailbox by number.
func (tx *Tx) box(id MailboxID) (*boxTx, error) {
	for _, b := range tx.boxes {
		if b.ID == id {
			if b.gone {
				return nil, fault.New(fault.NotFound, "store: mailbox %d was deleted", id)
			}
			return b, nil
		}
	}
	m, err := readMailbox(tx.w, id)
	if err != nil {
		return nil, err
	}
	b := &boxTx{mailbox: m}
	tx.boxes = append(tx.boxes, b)
	return b, nil
}

// Mailbox looks a mailbox up by its name, as of this Tx.
func (tx *Tx) Mailbox(name string) (Mailbox, error) {
	id, err := findMailbox(tx.w, name)
	if err != nil {
		return Mailbox{}, err
	}
	b, err := tx.box(id)
	if err != nil {
		return Mailbox{}, err
	}
	return b.Mailbox, nil
}

// Snapshot gives a mailbox as of this Tx, its own changes included.
func (tx *Tx) Snapshot(id MailboxID) (*Snapshot, error) {
	b, err := tx.box(id)
	if err != nil {
		return nil, err
	}
	return tx.snapshot(b)
}

func (tx *Tx) snapshot(b *boxTx) (*Snapshot, error) {
	if b.snap == nil {
		before := *b.mailbox // the stored state: this Tx's changes are not in the feed yet
		if len(b.changes) > 0 {
			stored, err := readMailbox(tx.w, b.ID)
			if err != nil {
				return nil, err
			}
			before = *stored
		}
		s, err := before.load(tx.w, tx.account.store.cache.get(tx.key(b)))
		if err != nil {
			return nil, err
		}
		b.snap = s
	}
	if b.applied < len(b.changes) {
		ed := newEditor(b.snap.chunks, b.snap.starts)
		for i := range b.changes[b.applied:] {
			ed.apply(&b.changes[b.applied+i], tx.head.modSeq)
		}
		b.snap, b.applied = b.mailbox.snapshot(ed.finish()), len(b.changes)
	}
	return b.snap, nil
}

func (tx *Tx) key(b *boxTx) snapshotKey { return snapshotKey{tx.account.id, b.ID} }

// record notes a change of a mailbox for the feed.
func (tx *Tx) record(b *boxTx, ch change) {
	b.HighestModSeq = tx.touch()
	b.changes = append(b.changes, ch)
}

// flush writes the feed, the mailboxes' records and the head.
func (tx *Tx) flush() error {
	for _, b := range tx.boxes {
		if err := tx.flushBox(b); err != nil {
			return err
		}
	}
	if len(tx.tree) > 0 {
		f := feedRecord{modSeq: tx.touch(), time: tx.now.Unix(), changes: tx.tree}
		if err := tx.w.Put(keyFeed(treeFeed, f.modSeq), f.encode()); err != nil {
			return err
		}
	}
	if !tx.changed {
		return nil
	}
	return tx.w.Put(keyHead, tx.head.encode())
}

func (tx *Tx) flushBox(b *boxTx) error {
	if b.gone || !b.dirty && len(b.changes) == 0 {
		return nil
	}
	if len(b.changes) > 0 {
		f := feedRecord{modSeq: tx.head.modSeq, time: tx.now.Unix(), changes: b.changes}
		if err := tx.w.Put(keyFeed(b.ID, f.modSeq), f.encode()); err != nil {
			return err
		}
		if b.backlog.add(&f); b.backlog.due(b.Messages) {
			if err := writeCheckpoint(tx.w, b.mailbox); err != nil {
				return err
			}
		}
	}
	return tx.w.Put(keyMailbox(b.ID), b.encode())
}

// publish brings the cache up to date after the commit: the snapshots that the Tx
// has made are durable now.
func (tx *Tx) publish() {
	cache := tx.account.store.cache
	for _, b := range tx.boxes {
		switch {
		case b.gone, b.stale:
			cache.drop(tx.key(b))
		case b.snap != nil && b.applied == len(b.changes):
			cache.put(tx.key(b), b.snap)
		}
	}
}
