// Package kv is the storage seam: ordered keys in shards.
//
// All state but large bodies lives in an Engine. Every key belongs to a Shard (an
// account, a slice of the queue, the directory), so that any store which can keep
// a shard together can carry the server and split it by shard.
//
// The contract, which kvtest holds for every engine:
//
//   - Update is atomic over all its shards, and durable when it returns nil: what
//     it wrote survives a power cut. When it returns an error, nothing was written.
//   - Updates that share a shard are serialised: each sees all that the ones before
//     it wrote. Updates of different shards run in parallel and share their fsyncs.
//   - View gives one consistent snapshot of one shard, as of some moment after the
//     last Update that returned before View was called. It never shows what is not
//     yet durable, never blocks a writer and is never blocked by one.
//   - fn may be called again from its start when an engine has to retry a
//     conflict, so it must have no effect besides its writes and must reset any
//     result variable at its start. An error from fn rolls back and is returned
//     as it is.
//   - fn must not call the engine again, nor block on a peer.
//   - A canceled context stops waiting, scanning and retrying; once the commit is
//     on its way, Update waits for its outcome, so that no one is left in doubt.
//   - Errors are of a fault.Kind: StorageFull, Unavailable, Canceled, Corrupt.
package kv

import (
	"context"
	"strings"

	"posthorn/internal/fault"
)

// Shard names a group of keys that lives together: "a/17", "dir", "blob/3f".
// 1 to 64 bytes, none of them NUL.
type Shard string

// Check says what is wrong with the name, if anything; a fault.Invalid.
func (s Shard) Check() error {
	if s == "" || len(s) > 64 || strings.IndexByte(string(s), 0) >= 0 {
		return fault.New(fault.Invalid, "kv: %q cannot name a shard", string(s))
	}
	return nil
}

// Engine is an ordered, sharded, transactional key-value store. All methods may
// be called from any goroutine.
type Engine interface {
	// View runs fn on a consistent snapshot of one shard.
	View(ctx context.Context, s Shard, fn func(Reader) error) error
	// Update runs fn as the only writer of these shards (in any order, without
	// duplicates) and returns when all that it wrote is durable, all or nothing.
	Update(ctx context.Context, shards []Shard, fn func(Tx) error) error
	// Watch calls notify after every commit that wrote to s, here or on another
	// node, until stop is called. It is a hint: calls may be merged or spurious,
	// but a change is never left unannounced, and for an Update on this node
	// notify has been called before Update returns. notify must not block.
	Watch(s Shard, notify func()) (stop func())
	// Shards calls fn with every non-empty shard whose name begins with prefix,
	// in order, until fn returns false. It is not a snapshot.
	Shards(ctx context.Context, prefix string, fn func(Shard) bool) error
	// Close waits for what is under way and releases everything. Later calls
	// fail with fault.Unavailable.
	Close() error
}

// Reader reads one shard. Keys and values it hands out are valid until fn (of
// View, Update) or the callback (of Scan and GetEach) returns, and must not be
// modified. It belongs to the goroutine that runs fn, and such a callback must not
// use it or anything else of the same Tx: where the rows come over a network, a
// question asked in between would cost a round trip for each of them.
type Reader interface {
	// Get returns the value at key; ok is false if there is none.
	Get(key []byte) (value []byte, ok bool, err error)
	// GetEach calls fn for keys[0], keys[1] and so on, whatever their order, with
	// what Get would return, until fn returns false. Over a network it is one
	// question. The callback is bound like that of a Scan.
	GetEach(keys [][]byte, fn func(i int, value []byte, ok bool) bool) error
	// Scan calls fn for the keys in a range, in order, until fn returns false.
	Scan(r Range, fn func(key, value []byte) bool) error
}

// Writer changes one shard. What it wrote, it reads back. It copies its arguments.
type Writer interface {
	Reader
	Put(key, value []byte) error
	Delete(key []byte) error
	// DeleteRange deletes all keys in [from, to); a nil to means up to the end.
	DeleteRange(from, to []byte) error
}

// Tx is an Update under way.
type Tx interface {
	// In gives the writer of one of the Update's shards; it panics for any other.
	In(s Shard) Writer
}

// Range is the half-open interval [From, To) of keys. A nil From is the first
// key, a nil To is past the last.
type Range struct {
	From, To []byte
	Reverse  bool // from the highest key down
	Limit    int  // at most so many keys; 0 means all
}

// Prefix is the range of all keys that begin with p.
func Prefix(p []byte) Range { return Range{From: p, To: PrefixEnd(p)} }

// PrefixEnd is the first key after all that begin with p; nil if there is none.
func PrefixEnd(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			end := append([]byte(nil), p[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}
