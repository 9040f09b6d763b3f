package store

import (
	"container/list"
	"context"
	"sync"

	"posthorn/internal/kv"
)

// Snapshot gives the mailbox as it is now. It costs one read when nothing has
// changed since somebody asked last, else the replay of what has.
func (a *Account) Snapshot(ctx context.Context, id MailboxID) (*Snapshot, error) {
	key := snapshotKey{a.id, id}
	var s *Snapshot
	err := a.view(ctx, func(r kv.Reader) error {
		m, err := readMailbox(r, id)
		if err != nil {
			return err
		}
		s, err = m.load(r, a.store.cache.get(key))
		return err
	})
	if err != nil {
		return nil, err
	}
	a.store.cache.put(key, s)
	return s, nil
}

// Opened is a mailbox as a session finds it.
type Opened struct {
	Mailbox
	Snapshot   *Snapshot
	RecentFrom UID // messages from here on have not been told to any session as \Recent
}

// Open looks a mailbox up by its name and gives it as it is now: what SELECT needs, in
// one look. Errors: NotFound.
func (a *Account) Open(ctx context.Context, name string) (Opened, error) {
	var o Opened
	err := a.view(ctx, func(r kv.Reader) error {
		id, err := findMailbox(r, name)
		if err != nil {
			return err
		}
		m, err := readMailbox(r, id)
		if err != nil {
			return err
		}
		o.Mailbox, o.RecentFrom = m.Mailbox, m.recentFrom
		o.Snapshot, err = m.load(r, a.store.cache.get(snapshotKey{a.id, id}))
		return err
	})
	if err == nil {
		a.store.cache.put(snapshotKey{a.id, o.ID}, o.Snapshot)
	}
	return o, err
}

// load gives the mailbox's snapshot as of this reader, out of an earlier snapshot
// where there is one (nil: there is none) and the feed reaches back to it.
func (m *mailbox) load(r kv.Reader, from *Snapshot) (*Snapshot, error) {
	if from != nil && from.modSeq >= m.HighestModSeq {
		return from, nil
	}
	var chunks []*chunk
	var starts []uint32
	after := m.checkpoint
	if from != nil && from.modSeq >= m.feedFloor {
		chunks, starts, after = from.chunks, from.starts, from.modSeq
	} else {
		var err error
		if chunks, err = readChunks(r, m.ID, 0, ^uint32(0)); err != nil {
			return nil, err
		}
	}
	feed, err := readFeed(r, m.ID, after)
	if err != nil {
		return nil, err
	}
	ed := newEditor(chunks, starts)
	for _, f := range feed {
		for i := range f.changes {
			ed.apply(&f.changes[i], f.modSeq)
		}
	}
	return m.snapshot(ed.finish()), nil
}

// snapshotCache keeps the newest durable snapshots of mailboxes, those used last
// first, up to a total size.
type snapshotCache struct {
	mu    sync.Mutex
	max   int64
	used  int64
	byKey map[snapshotKey]*list.Element
	order *list.List // of *cached, most recently used first
}

type snapshotKey struct {
	account AccountID
	mailbox MailboxID
}

type cached struct {
	key      snapshotKey
	snapshot *Snapshot
	bytes    int64
}

func newSnapshotCache(max int64) *snapshotCache {
	return &snapshotCache{max: max, byKey: map[snapshotKey]*list.Element{}, order: list.New()}
}

func (c *snapshotCache) get(k snapshotKey) *Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[k]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).snapshot
}

// put keeps a snapshot unless a newer one is there. Only durable ones may be put.
func (c *snapshotCache) put(k snapshotKey, s *Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[k]; ok {
		have := e.Value.(*cached)
		if have.snapshot.modSeq >= s.modSeq {
			return
		}
		c.used += s.bytes() - have.bytes
		have.snapshot, have.bytes = s, s.bytes()
		c.order.MoveToFront(e)
	} else {
		c.byKey[k] = c.order.PushFront(&cached{k, s, s.bytes()})
		c.used += s.bytes()
	}
	for c.used > c.max && c.order.Len() > 1 {
		e := c.order.Back()
		old := c.order.Remove(e).(*cached)
		delete(c.byKey, old.key)
		c.used -= old.bytes
	}
}

// drop forgets a mailbox that was deleted.
func (c *snapshotCache) drop(k snapshotKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[k]; ok {
		c.used -= c.order.Remove(e).(*cached).bytes
		delete(c.byKey, k)
	}
}
