// Package store is the mail model: accounts, mailboxes, messages, flags, quota and
// the change feed, on a kv.Engine for everything small and a blob.Store for large
// bodies. It knows no protocol and never writes to a socket.
//
// Flow of a write: Update -> fn changes a Tx (append.go, flags.go, expunge.go,
// copy.go, tree.go) -> flush writes one feed record per changed mailbox and the
// changed mailbox records (tx.go) -> the engine commits -> watchers are woken.
//
// Flow of a read: Snapshot gives a mailbox's UIDs, flags and dates as one
// immutable value (snapshot.go), brought forward from a cached one by the feed
// (load.go); Records scans what FETCH needs, ready to send (record.go); Body reads
// a message itself (body.go).
//
// Invariants, which Verify proves (verify.go; doc/store.md tells them at length):
//
//   - UIDs ascend and are never given out twice in a mailbox; UIDVALIDITY is never
//     given out twice in an account.
//   - Every change has a MODSEQ above all before it and is in the feed of its
//     mailbox, in the commit that made it.
//   - The state of a mailbox is its checkpoint plus the feed after it.
//   - Records and bodies never change. Expunging a message only takes it out of its
//     mailbox; Maintain removes record and body when the undelete window is over.
package store

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"posthorn/internal/blob"
	"posthorn/internal/kv"
)

// Options configure a Store. Engine and Blobs are required.
type Options struct {
	Engine kv.Engine
	Blobs  blob.Store
	Logger *slog.Logger     // default: discards
	Clock  func() time.Time // default: time.Now

	InlineLimit int           // bodies up to this many bytes travel inside the commit; default 128 KiB
	CacheBytes  int64         // memory for snapshots of mailboxes; default 64 MiB
	Retention   time.Duration // how long deleted mail can be brought back; default 30 days, negative: not at all

	// Charged is told after each commit that changes how much an account with limits takes
	// up, or its limits. It must not block. Default: nobody is.
	Charged func(id AccountID, before, after Quota)

	// Held calls fn for every blob that somebody else refers to, until it returns
	// false; Maintain deletes none of them. Default: nobody does.
	Held func(ctx context.Context, fn func(blob.ID) bool) error
}

// Store is the mail of all accounts. All methods may be called from any goroutine.
type Store struct {
	engine    kv.Engine
	blobs     blob.Store
	log       *slog.Logger
	clock     func() time.Time
	inline    int
	retention time.Duration
	held      func(context.Context, func(blob.ID) bool) error
	charged   func(id AccountID, before, after Quota)
	cache     *snapshotCache
	known     knownAccounts
	suspects  map[blob.ID]bool // blobs the last sweep found unreferenced; only Maintain uses it
}

// New makes a Store. The engine and the blob store stay the caller's to close.
func New(o Options) *Store {
	s := &Store{
		engine: o.Engine, blobs: o.Blobs, log: o.Logger, clock: o.Clock,
		inline: o.InlineLimit, retention: o.Retention, held: o.Held, charged: o.Charged,
	}
	if s.held == nil {
		s.held = func(context.Context, func(blob.ID) bool) error { return nil }
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.inline == 0 {
		s.inline = 128 << 10
	}
	if s.retention == 0 {
		s.retention = 30 * 24 * time.Hour
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	s.cache = newSnapshotCache(o.CacheBytes)
	return s
}

// Account is a handle on one account's mail. Making one costs nothing; the account
// comes into being, with its default mailboxes, when it is first used.
type Account struct {
	store *Store
	id    AccountID
	shard kv.Shard
}

// Account gives the handle of an account.
func (s *Store) Account(id AccountID) *Account {
	return &Account{store: s, id: id, shard: accountShard(id)}
}

// ID is the account's number.
func (a *Account) ID() AccountID { return a.id }

// Watch calls notify after every change in the account, until stop is called.
// notify may be called when nothing changed, from any goroutine, and must not block.
func (a *Account) Watch(notify func()) (stop func()) {
	return a.store.engine.Watch(a.shard, notify)
}

// view runs fn on a snapshot of an account that exists, bringing it into being
// first where needed.
func (a *Account) view(ctx context.Context, fn func(r kv.Reader) error) error {
	if a.store.known.has(a.id) {
		return a.store.engine.View(ctx, a.shard, fn)
	}
	var exists bool
	err := a.store.engine.View(ctx, a.shard, func(r kv.Reader) (err error) {
		_, exists, err = r.Get(keyHead)
		return err
	})
	if err == nil && !exists {
		err = a.Update(ctx, func(*Tx) error { return nil })
	}
	if err != nil {
		return err
	}
	a.store.known.add(a.id)
	return a.store.engine.View(ctx, a.shard, fn)
}

// knownAccounts remembers accounts that have come into being, so that not every
// look at one has to begin with that question.
type knownAccounts struct {
	mu  sync.RWMutex
	ids map[AccountID]struct{}
}

// maxKnown bounds the memory; asking again is cheap.
const maxKnown = 1 << 16

func (k *knownAccounts) has(id AccountID) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	_, ok := k.ids[id]
	return ok
}

func (k *knownAccounts) add(id AccountID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ids == nil || len(k.ids) >= maxKnown {
		k.ids = make(map[AccountID]struct{})
	}
	k.ids[id] = struct{}{}
}

func (k *knownAccounts) drop(id AccountID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.ids, id)
}

const accountShards = "a/"

func accountShard(id AccountID) kv.Shard {
	return kv.Shard(accountShards + strconv.FormatUint(uint64(id), 36))
}

// accountOf is the account of a shard made by accountShard.
func accountOf(s kv.Shard) (AccountID, error) {
	id, err := strconv.ParseUint(strings.TrimPrefix(string(s), accountShards), 36, 64)
	if err != nil {
		return 0, fmt.Errorf("store: shard %q is not an account: %w", s, err)
	}
	return AccountID(id), nil
}
