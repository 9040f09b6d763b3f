// Package blob is the second storage seam: large immutable bodies.
//
// A blob is written once, made durable by Commit before any key in the engine
// names it, read whole or by ranges, and deleted only by the sweeper, which alone
// knows that nothing references it. A crash may leave garbage, never a reference
// without its blob.
//
// The contract, which blobtest holds for every store:
//
//   - After Commit the blob survives a power cut; before it, nobody sees it.
//   - What is read is what was written: every byte is covered by a checksum, and a
//     mismatch is fault.Corrupt, never wrong data. Damage to one part of a blob
//     leaves the other parts readable.
//   - A range costs its own size, not the blob's.
//   - Errors are of a fault.Kind: NotFound, Corrupt, StorageFull, Unavailable, Canceled.
package blob

import (
	"context"
	"io"
	"time"
)

// ID names a blob: 26 characters of lower-case base32, chosen at random by the store.
type ID string

// Store keeps blobs. All methods may be called from any goroutine.
type Store interface {
	// Create begins a blob.
	Create(ctx context.Context) (Writer, error)
	// Open opens a committed blob for reading.
	Open(ctx context.Context, id ID) (Reader, error)
	// Delete removes a blob; it is no error if it is gone already.
	Delete(ctx context.Context, id ID) error
	// List calls fn for every committed blob, in no order, until fn returns false.
	List(ctx context.Context, fn func(Info) bool) error
	// Close releases everything.
	Close() error
}

// Writer receives a blob's bytes. Exactly one of Commit and Abort ends it; Abort
// after Commit does nothing.
type Writer interface {
	io.Writer
	Commit() (ID, error)
	Abort()
}

// Reader reads a blob. ReadAt may be called from several goroutines.
type Reader interface {
	io.ReaderAt
	io.Closer
	// Size is the number of bytes that were written.
	Size() int64
}

// Info describes a blob to the sweeper.
type Info struct {
	ID      ID
	Stored  int64     // bytes it takes up
	Created time.Time // when it was committed
}
