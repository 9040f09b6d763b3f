package memkv_test

import (
	"errors"
	"testing"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/kv/kvtest"
	"posthorn/internal/kv/memkv"
)

type subject struct{ engine *memkv.Engine }

func (s *subject) Engine() kv.Engine         { return s.engine }
func (s *subject) RoundTrips() (int64, bool) { return 0, false }
func (s *subject) Crash(t *testing.T)        { s.engine = s.engine.Clone() }
func open(o memkv.Options) func(*testing.T) kvtest.Subject {
	return func(*testing.T) kvtest.Subject { return &subject{memkv.New(o)} }
}

func TestContract(t *testing.T) { kvtest.Run(t, open(memkv.Options{})) }

func TestContractWithReruns(t *testing.T) { kvtest.Run(t, open(memkv.Options{Rerun: true})) }

func TestContractWithSlowCommits(t *testing.T) {
	kvtest.Run(t, open(memkv.Options{Commit: func() error {
		time.Sleep(50 * time.Microsecond)
		return nil
	}}))
}

func TestFailingCommit(t *testing.T) {
	var failure error
	engine := memkv.New(memkv.Options{Commit: func() error { return failure }})
	put := func(value string) error {
		return engine.Update(t.Context(), []kv.Shard{"a"}, func(tx kv.Tx) error {
			return tx.In("a").Put([]byte("key"), []byte(value))
		})
	}
	if err := put("old"); err != nil {
		t.Fatal(err)
	}
	failure = errors.New("on purpose")
	if err := put("new"); err != failure {
		t.Errorf("got %v", err)
	}
	var value string
	err := engine.View(t.Context(), "a", func(r kv.Reader) error {
		found, _, err := r.Get([]byte("key"))
		value = string(found)
		return err
	})
	if err != nil || value != "old" {
		t.Errorf("after a failed commit there is %q, %v", value, err)
	}
}

func TestMisusePanics(t *testing.T) {
	engine := memkv.New(memkv.Options{})
	panics := func(what string, fn func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", what)
			}
		}()
		fn()
	}
	var leaked kv.Writer
	var value []byte
	err := engine.Update(t.Context(), []kv.Shard{"a", "b"}, func(tx kv.Tx) error {
		leaked = tx.In("a")
		if err := leaked.Put([]byte("key"), []byte("value")); err != nil {
			return err
		}
		value, _, _ = leaked.Get([]byte("key"))
		return leaked.Scan(kv.Range{}, func(_, _ []byte) bool {
			panics("Get inside a Scan", func() { _, _, _ = tx.In("b").Get(nil) })
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	panics("Get after Update", func() { _, _, _ = leaked.Get(nil) })
	if string(value) != "\xdd\xdd\xdd\xdd\xdd" {
		t.Errorf("a value could still be read after its Update: %q", value)
	}
}
