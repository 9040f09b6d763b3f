package pebblekv_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/pebblekv"
)

func open(t *testing.T, dir string, o pebblekv.Options) *pebblekv.Engine {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	engine, err := pebblekv.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func put(t *testing.T, engine kv.Engine, key, value string) error {
	return engine.Update(t.Context(), []kv.Shard{"a"}, func(tx kv.Tx) error {
		return tx.In("a").Put([]byte(key), []byte(value))
	})
}

func get(t *testing.T, engine kv.Engine, key string) (value string, err error) {
	err = engine.View(t.Context(), "a", func(r kv.Reader) error {
		found, _, err := r.Get([]byte(key))
		value = string(found)
		return err
	})
	return value, err
}

func TestOnlyOneMayOpenADirectory(t *testing.T) {
	for name, fs := range map[string]vfs.FS{"disk": vfs.Default, "memory": vfs.NewMem()} {
		dir := t.TempDir()
		first := open(t, dir, pebblekv.Options{FS: fs})
		if _, err := pebblekv.Open(dir, pebblekv.Options{FS: fs}); !fault.Is(err, fault.InUse) {
			t.Errorf("%s: a second Open gives %v", name, err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		if err := open(t, dir, pebblekv.Options{FS: fs}).Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	var free atomic.Uint64
	free.Store(100 << 20)
	engine := open(t, "store", pebblekv.Options{
		FS:        vfs.NewMem(),
		Reserve:   64 << 20,
		FreeSpace: func() (uint64, error) { return free.Load(), nil },
	})
	defer engine.Close()
	if err := put(t, engine, "key", "old"); err != nil {
		t.Fatal(err)
	}
	// More than there is, at once: noticed however recent the last look.
	if err := put(t, engine, "key", strings.Repeat("x", 40<<20)); !fault.Is(err, fault.StorageFull) {
		t.Errorf("an Update of 40 MB with 36 MB left gives %v", err)
	}
	free.Store(10 << 20)
	if err := put(t, engine, "key", strings.Repeat("x", 37<<20)); !fault.Is(err, fault.StorageFull) {
		t.Errorf("with less than the reserve left: %v", err)
	}
	if err := put(t, engine, "key", "new"); !fault.Is(err, fault.StorageFull) {
		t.Errorf("with less than the reserve left: %v", err)
	}
	if value, err := get(t, engine, "key"); value != "old" || err != nil {
		t.Errorf("on a full disk there is %q, %v", value, err)
	}
	free.Store(100 << 20)
	if err := put(t, engine, "key", "new"); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if value, err := get(t, engine, "key"); value != "new" || err != nil {
		t.Errorf("with space again there is %q, %v", value, err)
	}
}

// quota is a disk of limited size: files can be created and grow until it is full.
type quota struct {
	size, used atomic.Int64
	refused    atomic.Int64 // writes that hit the limit
}

func (q *quota) MaybeError(op errorfs.Op) error {
	if op.Kind == errorfs.OpFileWrite && q.used.Load() >= q.size.Load() {
		q.refused.Add(1)
		return syscall.ENOSPC
	}
	return nil
}

func (q *quota) String() string { return "quota" }

// measure counts what the files of a directory take up.
func (q *quota) measure(fs vfs.FS, dir string) (free uint64, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return 0, err
	}
	var used int64
	for _, name := range names {
		if info, err := fs.Stat(fs.PathJoin(dir, name)); err == nil && !info.IsDir() {
			used += info.Size()
		}
	}
	q.used.Store(used)
	if used > q.size.Load() {
		q.refused.Add(1) // a log file that is used again can get past MaybeError
	}
	return uint64(max(0, q.size.Load()-used)), nil
}

// TestDiskFillsUp writes until a small disk is full, restarts on the full disk, and
// then gives it more space.
func TestDiskFillsUp(t *testing.T) {
	q := new(quota)
	q.size.Store(24 << 20)
	disk := vfs.NewMem()
	restart := func() *pebblekv.Engine {
		return open(t, "store", pebblekv.Options{
			FS:           errorfs.Wrap(disk, q),
			MemTableSize: 1 << 20,
			FreeSpace:    func() (uint64, error) { return q.measure(disk, "store") },
			Fatal:        func(err error) { t.Errorf("fatal: %v", err) },
		})
	}
	engine := restart()
	noise := make([]byte, 64<<10)
	source := rand.NewChaCha8([32]byte{})
	fill := func(most int) (written int) {
		for written < most {
			_, _ = source.Read(noise)
			switch err := put(t, engine, fmt.Sprintf("%06d", written), string(noise)); {
			case fault.Is(err, fault.StorageFull):
				return written
			case err != nil:
				t.Fatalf("Update %d: %v", written, err)
			}
			written++
		}
		return written
	}
	written := fill(2000)
	if written < 50 || written == 2000 {
		t.Errorf("%d Updates went through before the disk was full", written)
	}
	readable := func(what string) {
		for _, i := range []int{0, written / 2, written - 1} {
			if value, err := get(t, engine, fmt.Sprintf("%06d", i)); err != nil || len(value) != len(noise) {
				t.Errorf("%s, value %d has %d bytes, %v", what, i, len(value), err)
			}
		}
	}
	readable("on the full disk")
	if err := engine.Close(); err != nil {
		t.Errorf("closing on the full disk: %v", err)
	}
	engine = restart()
	readable("after a restart on the full disk")
	if n := q.refused.Load(); n > 0 {
		t.Errorf("the disk itself had to refuse %d writes", n)
	}
	q.size.Store(200 << 20)
	if again := fill(100); again != 100 {
		t.Errorf("with space again, %d of 100 Updates went through", again)
	}
	if err := engine.Close(); err != nil {
		t.Error(err)
	}
}

// TestLogFailure has the syncs of the log fail under load: whatever was not synced
// before is never acknowledged and never seen.
func TestLogFailure(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var failing, fatal atomic.Bool
	syncs := errorfs.InjectorFunc(func(op errorfs.Op) error {
		isSync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if failing.Load() && isSync && filepath.Ext(op.Path) == ".log" {
			return errors.New("on purpose")
		}
		return nil
	})
	engine := open(t, "store", pebblekv.Options{
		FS:    errorfs.Wrap(disk, syncs),
		Fatal: func(error) { fatal.Store(true) },
	})
	if err := put(t, engine, "key", "old"); err != nil {
		t.Fatal(err)
	}
	failing.Store(true)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 5 {
				if err := put(t, engine, "key", "new"); !fault.Is(err, fault.Unavailable) {
					t.Errorf("an Update whose sync failed gave %v", err)
				}
				if value, err := get(t, engine, "key"); value != "old" || err != nil {
					t.Errorf("a View found %q, %v", value, err)
				}
			}
		})
	}
	writers.Wait()
	if !fatal.Load() {
		t.Error("Fatal was not called")
	}
	failing.Store(false)
	if err := put(t, engine, "key", "newer"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("an Update after the failure gave %v", err)
	}
	if err := engine.Update(t.Context(), []kv.Shard{"a"}, func(kv.Tx) error { return nil }); !fault.Is(err, fault.Unavailable) {
		t.Errorf("an Update that may have read what was lost gave %v", err)
	}

	if err := engine.Close(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Close after the failure gave %v", err)
	}

	engine = open(t, "store", pebblekv.Options{FS: disk.CrashClone(vfs.CrashCloneCfg{})})
	defer engine.Close()
	if value, err := get(t, engine, "key"); value != "old" || err != nil {
		t.Errorf("after a restart there is %q, %v", value, err)
	}
}

// TestDamageStaysWhereItIs overwrites a part of a table on the disk.
func TestDamageStaysWhereItIs(t *testing.T) {
	dir := t.TempDir()
	fill := func(first int) {
		engine := open(t, dir, pebblekv.Options{})
		err := engine.Update(t.Context(), []kv.Shard{"a", "b"}, func(tx kv.Tx) error {
			for i := first; i < first+500; i++ {
				if err := tx.In("a").Put(fmt.Appendf(nil, "%06d", i), fmt.Appendf(nil, "%0300d", i*7919)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := engine.Close(); err != nil {
			t.Fatal(err)
		}
	}
	fill(0)
	fill(1000) // opening again has written the first ones to a table
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables to damage: %v", err)
	}
	damage(t, tables[0])

	var log bytes.Buffer
	engine := open(t, dir, pebblekv.Options{
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Fatal:  func(err error) { t.Errorf("fatal: %v", err) },
	})
	defer engine.Close()
	if _, err := get(t, engine, "000000"); !fault.Is(err, fault.Corrupt) {
		t.Errorf("reading damaged data gives %v", err)
	}
	if !strings.Contains(log.String(), filepath.Base(tables[0])) {
		t.Errorf("the log does not name the file: %s", &log)
	}
	if value, err := get(t, engine, "001100"); err != nil || len(value) != 300 {
		t.Errorf("data elsewhere: %d bytes, %v", len(value), err)
	}
	if err := put(t, engine, "999999", "new"); err != nil {
		t.Errorf("writing goes on, but: %v", err)
	}
}

// damage overwrites some bytes near the start of a file, where the data is.
func damage(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("damaged damaged damaged damaged"), 100); err != nil {
		t.Fatal(err)
	}
}
