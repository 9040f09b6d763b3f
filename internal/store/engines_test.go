package store_test

import (
	"testing"

	"pgregory.net/rapid"

	"posthorn/internal/blob"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// subject is an engine and a blob store that can lose their power.
type subject interface {
	engine() kv.Engine
	blobs() blob.Store
	crash()
	close()
}

func TestModelMem(t *testing.T) {
	testModel(t, func() subject {
		return &memSubject{memkv.New(memkv.Options{Rerun: true}), memblob.New(memblob.Options{})}
	})
}

// testModel runs random operations against the naive model.
func testModel(t *testing.T, open func() subject) {
	rapid.Check(t, func(rt *rapid.T) {
		s := open()
		defer func() { s.close() }()
		m := newMachine(s)
		m.sync(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"append": m.Append, "append again": m.Append, "store": m.Store, "expunge": m.Expunge,
			"copy or move": m.CopyOrMove, "create": m.Create, "delete": m.Delete, "rename": m.Rename,
			"look": m.Look, "look again": m.Look, "wait": m.Wait, "crash": m.Crash,
			"": m.Check,
		})
	})
}

type memSubject struct {
	kv    kv.Engine
	store blob.Store
}

func (s *memSubject) engine() kv.Engine { return s.kv }
func (s *memSubject) blobs() blob.Store { return s.store }
func (s *memSubject) crash()            {} // memory never loses what a commit returned for
func (s *memSubject) close()            { s.kv.Close(); s.store.Close() }
