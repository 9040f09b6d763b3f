package fsblob

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"posthorn/internal/blob"
	"posthorn/internal/blob/blobtest"
	"posthorn/internal/fault"
)

var background = context.Background()

func mustOpen(t testing.TB, f files) *Store {
	t.Helper()
	s, err := open(f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestContract runs on a file system in memory, which forgets what was not synced.
func TestContract(t *testing.T) {
	blobtest.Run(t, func(t testing.TB) *blobtest.Subject {
		files, dice := newMemFiles(), rand.New(rand.NewPCG(1, 2))
		s := &blobtest.Subject{Store: mustOpen(t, files)}
		s.Crash = func(t testing.TB) {
			files = files.crash(dice)
			s.Store.Close() // so that old writers notice; it changes nothing in the new files
			s.Store = mustOpen(t, files)
		}
		s.Damage = func(t testing.TB, id blob.ID, offset int64) {
			files.flipBit(t, id, frameOffset(t, s.Store, id, offset)+headSize+3)
		}
		s.SetFree = func(n int64) { files.setFree(n) }
		return s
	})
}

// frameOffset is where the frame of a blob's byte begins in its file.
func frameOffset(t testing.TB, s blob.Store, id blob.ID, offset int64) int64 {
	t.Helper()
	r, err := s.Open(background, id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return r.(*reader).offsets[offset/frameSize]
}

// TestDisk does the daily round on the real file system.
func TestDisk(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !fault.Is(err, fault.InUse) {
		t.Errorf("second Open: %v, want it to be in use", err)
	}
	data := blobtest.Body(1, 300_000)
	id := put(t, s, data)
	unfinished, err := s.Create(background)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unfinished.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if left, _ := os.ReadDir(filepath.Join(dir, tmpFolder)); len(left) != 0 {
		t.Errorf("%d unfinished blobs are left after Open", len(left))
	}
	if got := get(t, s, id); string(got) != string(data) {
		t.Error("other bytes than were written")
	}
	if err := s.Delete(background, id); err != nil {
		t.Error(err)
	}
	if _, err := s.Open(background, id); !fault.Is(err, fault.NotFound) {
		t.Errorf("Open after Delete: %v", err)
	}
}

func put(t testing.TB, s *Store, data []byte) blob.ID {
	t.Helper()
	w, err := s.Create(background)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	id, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func get(t testing.TB, s *Store, id blob.ID) []byte {
	t.Helper()
	r, err := s.Open(background, id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestEveryFailure lets each operation of a write fail in turn: the writer hears of
// it with the right kind, nothing is listed, nothing is left, the store goes on.
func TestEveryFailure(t *testing.T) {
	data := blobtest.Body(3, 500_000)
	for _, tt := range []struct {
		fault error
		kind  fault.Kind
	}{{syscall.ENOSPC, fault.StorageFull}, {syscall.EDQUOT, fault.StorageFull}, {syscall.EIO, fault.Unavailable}} {
		failures := 0
		for at := 0; ; at++ {
			files := newMemFiles()
			s := mustOpen(t, files)
			files.failAt, files.fault = at, tt.fault
			w, err := s.Create(background)
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Write(data)
			var id blob.ID
			if err == nil {
				id, err = w.Commit()
			}
			w.Abort()
			if err == nil && files.failAt >= 0 {
				break // there are not so many operations
			}
			failures++
			if !fault.Is(err, tt.kind) || id != "" {
				t.Errorf("operation %d fails with %v: got %v", at, tt.fault, err)
			}
			if n := count(t, s); n != 0 {
				t.Errorf("operation %d fails: %d blobs are listed", at, n)
			}
			if left, _ := files.List(tmpFolder); len(left) != 0 {
				t.Errorf("operation %d fails: %v is left", at, left)
			}
			if id := put(t, s, data); string(get(t, s, id)) != string(data) {
				t.Errorf("operation %d fails: the next blob has other bytes", at)
			}
		}
		if failures < 8 {
			t.Errorf("only %d operations could fail", failures)
		}
	}
}

func count(t testing.TB, s *Store) (n int) {
	t.Helper()
	if err := s.List(background, func(blob.Info) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDamagedEnd: index and footer can be lost, as long as the frames are whole.
func TestDamagedEnd(t *testing.T) {
	data := blobtest.Body(4, 300_000)
	for _, size := range []int{0, 1, frameSize, 3 * frameSize, 300_000} {
		var log strings.Builder
		files := newMemFiles()
		s := mustOpen(t, files)
		s.log = logTo(&log)
		id := put(t, s, data[:size])
		stat, err := files.Stat(finalPath(id))
		if err != nil {
			t.Fatal(err)
		}
		files.flipBit(t, id, stat.Size()-1-rand.Int64N(footerSize+4*frameCount(int64(size))))
		if got := get(t, s, id); string(got) != string(data[:size]) {
			t.Errorf("%d bytes: other bytes than were written", size)
		}
		if !strings.Contains(log.String(), string(id)) {
			t.Errorf("%d bytes: nobody was told of the damage", size)
		}
		// With a damaged frame as well, nothing says how long the blob was.
		files.flipBit(t, id, int64(len(magic))+4)
		if _, err := s.Open(background, id); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%d bytes, index and frame damaged: %v", size, err)
		}
	}
}

// TestInheritedFolder: a folder whose maker died before it was durable is made
// durable by the next process, before that trusts a blob to it.
func TestInheritedFolder(t *testing.T) {
	files := newMemFiles()
	mustOpen(t, files).Close()
	if err := files.MkdirAll("aa"); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, files)
	s.current, s.left = "aa", 1
	id := put(t, s, []byte("posthorn"))
	files = &memFiles{fs: files.fs.CrashClone(vfs.CrashCloneCfg{}), free: -1, failAt: -1}
	if got := get(t, mustOpen(t, files), id); string(got) != "posthorn" {
		t.Errorf("read %q", got)
	}
}

// TestMisplaced: a file under the name of another blob is not taken for it.
func TestMisplaced(t *testing.T) {
	files := newMemFiles()
	s := mustOpen(t, files)
	a, b := put(t, s, blobtest.Body(1, 1000)), put(t, s, blobtest.Body(2, 1000))
	if err := files.Rename(finalPath(a), finalPath(b)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(background, b); !fault.Is(err, fault.Corrupt) {
		t.Errorf("Open a blob whose file is another's: %v, want it to be corrupt", err)
	}
}

// TestTruncated: a file that lost its end is never a shorter blob.
func TestTruncated(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id := put(t, s, blobtest.Body(1, 3*frameSize))
	name := filepath.Join(dir, finalPath(id))
	stat, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	end := stat.Size() - footerSize - 3*4
	for _, size := range []int64{0, 1, 8, 20, end - frameSize, end - 1} {
		if err := os.WriteFile(name, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(background, id); !fault.Is(err, fault.Corrupt) {
			t.Errorf("Open with %d of %d bytes left: %v, want it to be corrupt", size, stat.Size(), err)
		}
	}
}

// TestMemory: a blob of any size takes a few pooled frames.
func TestMemory(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	chunk := blobtest.Body(1, 1<<20)
	before := liveHeap()
	w, err := s.Create(background)
	if err != nil {
		t.Fatal(err)
	}
	for range 64 {
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	writing := liveHeap()
	id, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(background, id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{io.NewSectionReader(r, 0, r.Size())}, make([]byte, 32<<10)); err != nil {
		t.Fatal(err)
	}
	reading := liveHeap()
	runtime.KeepAlive(chunk)
	if writing-before > 4<<20 || reading-before > 4<<20 {
		t.Errorf("a blob of 64 MiB holds %d KiB while it is written, %d KiB while it is read", (writing-before)>>10, (reading-before)>>10)
	}
}

func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestSharedSync: everyone gets a sync that began after they asked, and those who
// ask while one is under way share the next.
func TestSharedSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers = 50
		var (
			s       = newSharedSync()
			blocked = make(chan struct{})
			failure = errors.New("disk on fire")
			syncs   int // whoever has the turn counts
		)
		go s.Do(func() error { <-blocked; syncs++; return nil })
		synctest.Wait()
		for range callers {
			go func() {
				if err := s.Do(func() error { syncs++; return failure }); err != failure {
					t.Errorf("got %v, want the error of the sync that was shared", err)
				}
			}()
		}
		synctest.Wait()
		close(blocked)
		synctest.Wait()
		if syncs != 2 {
			t.Errorf("%d syncs for one caller and %d while it was served, want 2", syncs, callers)
		}
	})
}
