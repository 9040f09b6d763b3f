// Package memblob is the reference blob store: a map in memory.
//
// It owns nothing but the bytes it was given and is for tests of what stands above
// it. It can be filled up (SetFree) and can lose power (Crash), so that
// those tests meet the two failures that real stores have.
package memblob

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"posthorn/internal/blob"
	"posthorn/internal/fault"
)

// Options are all optional.
type Options struct {
	Clock func() time.Time // stamps Info.Created; nil: time.Now
}

// Store implements blob.Store.
type Store struct {
	options Options

	mu       sync.Mutex
	closed   bool
	used     int64 // bytes of committed and begun blobs
	capacity int64 // bytes it may hold; negative: no limit
	blobs    map[blob.ID]body
}

// body is a committed blob; data is never modified.
type body struct {
	data    []byte
	created time.Time
}

// New makes an empty store.
func New(o Options) *Store {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Store{options: o, capacity: -1, blobs: map[blob.ID]body{}}
}

// SetFree leaves room for n more bytes, after which Write fails with
// fault.StorageFull. Negative means no limit.
func (s *Store) SetFree(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capacity = -1
	if n >= 0 {
		s.capacity = s.used + n
	}
}

// Crash is a power cut: this store is dead, writers under way fail, and what had
// been committed is found in the store that it returns.
func (s *Store) Crash() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	next := New(s.options)
	next.blobs, next.capacity = maps.Clone(s.blobs), s.capacity
	for _, b := range next.blobs {
		next.used += int64(len(b.data))
	}
	return next
}

// usable must be called with mu held.
func (s *Store) usable(ctx context.Context) error {
	if s.closed {
		return fault.New(fault.Unavailable, "memblob: the store is closed")
	}
	if err := ctx.Err(); err != nil {
		return fault.New(fault.Canceled, "memblob: %w", err)
	}
	return nil
}

// Create begins a blob.
func (s *Store) Create(ctx context.Context) (blob.Writer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	return &writer{store: s}, nil
}

// Open opens a committed blob.
func (s *Store) Open(ctx context.Context, id blob.ID) (blob.Reader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	b, ok := s.blobs[id]
	if !ok {
		return nil, fault.New(fault.NotFound, "memblob: there is no blob %q", id)
	}
	return reader{bytes.NewReader(b.data)}, nil
}

// Delete removes a blob if it is there.
func (s *Store) Delete(ctx context.Context, id blob.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.used -= int64(len(s.blobs[id].data))
	delete(s.blobs, id)
	return nil
}

// List calls fn for what was there when it was called, without holding a lock.
func (s *Store) List(ctx context.Context, fn func(blob.Info) bool) error {
	s.mu.Lock()
	if err := s.usable(ctx); err != nil {
		s.mu.Unlock()
		return err
	}
	blobs := maps.Clone(s.blobs)
	s.mu.Unlock()
	for id, b := range blobs {
		if !fn(blob.Info{ID: id, Stored: int64(len(b.data)), Created: b.created}) {
			break
		}
	}
	return nil
}

// Close makes every later call fail.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

type writer struct {
	store *Store
	data  []byte
	ended bool
}

func (w *writer) Write(p []byte) (int, error) {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := w.usable(); err != nil {
		return 0, err
	}
	if s.capacity >= 0 && s.used+int64(len(p)) > s.capacity {
		return 0, fault.New(fault.StorageFull, "memblob: more than %d bytes", s.capacity)
	}
	s.used += int64(len(p))
	w.data = append(w.data, p...)
	return len(p), nil
}

func (w *writer) usable() error {
	if w.ended {
		return fault.New(fault.Invalid, "memblob: the writer has ended")
	}
	return w.store.usable(context.Background())
}

func (w *writer) Commit() (blob.ID, error) {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := w.usable(); err != nil {
		return "", err
	}
	w.ended = true
	id := blob.ID(strings.ToLower(rand.Text()))
	s.blobs[id] = body{w.data, s.options.Clock()}
	return id, nil
}

func (w *writer) Abort() {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if !w.ended {
		w.ended = true
		s.used -= int64(len(w.data))
		w.data = nil
	}
}

type reader struct{ r *bytes.Reader }

func (r reader) Size() int64  { return r.r.Size() }
func (r reader) Close() error { return nil }

func (r reader) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 {
		return 0, fault.New(fault.Invalid, "memblob: negative offset %d", at)
	}
	n, err := r.r.ReadAt(p, at)
	if err != nil && err != io.EOF {
		return n, fault.New(fault.Internal, "memblob: %w", err)
	}
	return n, err
}
