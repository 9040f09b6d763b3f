package fsblob

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"posthorn/internal/blob"
)

// memFiles is a file system in memory that can lose power, run full and fail at
// any of its operations. Pebble's crashable file system does the forgetting.
type memFiles struct {
	fs *vfs.MemFS

	mu     sync.Mutex
	free   int64 // bytes that still fit; negative: no limit
	failAt int   // operations until one fails; negative: never
	fault  error
}

func newMemFiles() *memFiles { return &memFiles{fs: vfs.NewCrashableMem(), free: -1, failAt: -1} }

// crash gives what a power cut now would leave: all that was synced, and each
// block and name that was not by a throw of the dice.
func (m *memFiles) crash(dice *rand.Rand) *memFiles {
	after := newMemFiles()
	after.fs = m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: dice.IntN(101), RNG: dice})
	return after
}

func (m *memFiles) setFree(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = n
}

// step is called by every operation, and lets it fail if it is its turn.
func (m *memFiles) step() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failAt--
	if m.failAt == -1 {
		return m.fault
	}
	return nil
}

// take reserves room, as much as there is.
func (m *memFiles) take(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.free < 0 {
		return n
	}
	n = int(min(int64(n), m.free))
	m.free -= int64(n)
	return n
}

func (m *memFiles) Create(name string) (file, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	if _, err := m.fs.Stat(name); err == nil {
		return nil, fs.ErrExist
	}
	return m.opened(m.fs.Create(name, vfs.WriteCategoryUnspecified))
}

func (m *memFiles) Open(name string) (file, error) { return m.opened(m.fs.Open(name)) }

func (m *memFiles) opened(f vfs.File, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return &memFile{f, m}, nil
}

func (m *memFiles) Stat(name string) (fs.FileInfo, error) { return m.fs.Stat(name) }

func (m *memFiles) Rename(from, to string) error {
	if err := m.step(); err != nil {
		return err
	}
	return m.fs.Rename(from, to)
}

func (m *memFiles) Remove(name string) error { return m.fs.Remove(name) }

func (m *memFiles) MkdirAll(name string) error {
	if err := m.step(); err != nil {
		return err
	}
	return m.fs.MkdirAll(name, 0o700)
}

func (m *memFiles) List(folder string) ([]string, error) { return m.fs.List(path.Join("/", folder)) }

func (m *memFiles) SyncDir(folder string) error {
	if err := m.step(); err != nil {
		return err
	}
	d, err := m.fs.OpenDir(path.Join("/", folder))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (m *memFiles) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

type memFile struct {
	vfs.File
	files *memFiles
}

func (f *memFile) Write(p []byte) (int, error) {
	if err := f.files.step(); err != nil {
		return 0, err
	}
	room := f.files.take(len(p))
	n, err := f.File.Write(append([]byte(nil), p[:room]...)) // vfs may change what it is given
	if err == nil && room < len(p) {
		err = syscall.ENOSPC
	}
	return n, err
}

func (f *memFile) Sync() error {
	if err := f.files.step(); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *memFile) Stat() (fs.FileInfo, error) { return f.File.Stat() }

// flipBit changes one bit of a stored file in place.
func (m *memFiles) flipBit(t testing.TB, id blob.ID, at int64) {
	t.Helper()
	f, err := m.fs.OpenReadWrite(path.Join(string(id[:fanOut]), string(id)), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}
