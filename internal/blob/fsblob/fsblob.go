// Package fsblob keeps blobs as files: one checksummed, partly compressed file each.
//
// It owns a directory:
//
//	LOCK        held by the one process that uses the directory
//	tmp/ID      blobs being written; whatever is here at Open is garbage of a crash
//	xx/ID       committed blobs, in folders named by the first two characters of the ID
//
// Invariants: a file in xx/ is complete, was synced before it got its name there, and is
// never written again; a Commit returns after the folder that names the file is synced as well,
// and the root if the folder is new. So a power cut leaves whole blobs and files in tmp/.
//
// Flow: Create hands out a writer, which fills frames of 64 KiB, compresses those that
// shrink, and appends them to tmp/ID; Commit adds index and footer, syncs, renames, syncs the
// folder. Open reads the footer and the index; ReadAt reads and proves only the frames
// that it touches. Memory is a few pooled frames a blob, and an index of four bytes a frame.
//
// It never looks at what a blob means, nor decides when one is garbage.
package fsblob

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"

	"posthorn/internal/blob"
	"posthorn/internal/fault"
)

const (
	tmpFolder  = "tmp"
	lockName   = "LOCK"
	idLength   = 26
	fanOut     = 2  // characters of the ID that name its folder
	folderTurn = 64 // so many blobs in a row share a folder
)

// Options are all optional.
type Options struct {
	Logger *slog.Logger // told of damage that could be got around; nil: nobody is
}

// Store implements blob.Store on a directory.
type Store struct {
	files files
	log   *slog.Logger
	codec *codec
	lock  io.Closer

	life   sync.RWMutex // read-locked while a file is being created or committed
	closed bool

	mu      sync.Mutex // guards what follows; held while a new folder is made durable
	folders map[string]*sharedSync
	current string // prefix of the next ID,
	left    int    // and of so many after it
}

// Open opens the store in dir, which is made if there is none, and removes what a
// crash left half-written. Only one process may have it open: fault.InUse.
func Open(dir string, o Options) (*Store, error) {
	return open(osFiles{dir}, o)
}

func open(files files, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	codec, err := newCodec()
	if err != nil {
		return nil, fault.New(fault.Internal, "fsblob: %w", err)
	}
	s := &Store{files: files, log: o.Logger, codec: codec, folders: map[string]*sharedSync{}}
	if err := files.MkdirAll(tmpFolder); err != nil {
		return nil, writeFault("make the directory", err)
	}
	if s.lock, err = files.Lock(lockName); err != nil {
		return nil, err
	}
	if err := s.takeOver(); err != nil {
		s.lock.Close()
		return nil, err
	}
	return s, nil
}

// takeOver takes the directory over from a process that may have died at any point.
func (s *Store) takeOver() error {
	garbage, err := s.files.List(tmpFolder)
	if err != nil {
		return writeFault("list unfinished blobs", err)
	}
	for _, name := range garbage {
		if err := s.files.Remove(filepath.Join(tmpFolder, name)); err != nil {
			return writeFault("remove an unfinished blob", err)
		}
	}
	if len(garbage) > 0 {
		s.log.Info("removed unfinished blobs of the last run", "count", len(garbage))
	}
	names, err := s.files.List("")
	if err != nil {
		return writeFault("list folders", err)
	}
	for _, name := range names {
		if isFolder(name) {
			s.folders[name] = newSharedSync()
		}
	}
	// A folder may have been made just before the last process died.
	if err := s.files.SyncDir(""); err != nil {
		return writeFault("sync the directory", err)
	}
	return nil
}

// newID chooses an ID. Blobs begun one after the other share a folder, so that
// those which are committed at the same time share its sync.
func (s *Store) newID() blob.ID {
	id := strings.ToLower(rand.Text())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 {
		s.current, s.left = id[:fanOut], folderTurn
	}
	s.left--
	return blob.ID(s.current + id[fanOut:])
}

// folder gives the sync of a folder, which it makes, durably, if there is none.
func (s *Store) folder(name string) (*sharedSync, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.folders[name]; f != nil {
		return f, nil
	}
	if err := s.files.MkdirAll(name); err != nil {
		return nil, err
	}
	if err := s.files.SyncDir(""); err != nil {
		return nil, err
	}
	f := newSharedSync()
	s.folders[name] = f
	return f, nil
}

// usable says whether the store is open and the caller still wants something.
func (s *Store) usable(ctx context.Context) error {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.closed {
		return errClosed()
	}
	if err := ctx.Err(); err != nil {
		return fault.New(fault.Canceled, "fsblob: %w", err)
	}
	return nil
}

func errClosed() error { return fault.New(fault.Unavailable, "fsblob: the store is closed") }

// Create begins a blob. Its file comes into being when there is something to write.
func (s *Store) Create(ctx context.Context) (blob.Writer, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	return newWriter(s, s.newID()), nil
}

// Open opens a committed blob.
func (s *Store) Open(ctx context.Context, id blob.ID) (blob.Reader, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if !validID(id) {
		return nil, fault.New(fault.NotFound, "fsblob: %q is not the ID of a blob", id)
	}
	f, err := s.files.Open(finalPath(id))
	if err != nil {
		return nil, readFault(id, err)
	}
	r, err := newReader(s, id, f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

// Delete removes a blob if it is there. It need not be durable: what comes back
// after a power cut is garbage again.
func (s *Store) Delete(ctx context.Context, id blob.ID) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	if !validID(id) {
		return nil
	}
	if err := s.files.Remove(finalPath(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return writeFault("delete "+string(id), err)
	}
	return nil
}

// List calls fn for every committed blob, folder by folder.
func (s *Store) List(ctx context.Context, fn func(blob.Info) bool) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	folders, err := s.files.List("")
	if err != nil {
		return writeFault("list folders", err)
	}
	for _, folder := range folders {
		if !isFolder(folder) {
			continue
		}
		if more, err := s.listFolder(ctx, folder, fn); err != nil || !more {
			return err
		}
	}
	return nil
}

func (s *Store) listFolder(ctx context.Context, folder string, fn func(blob.Info) bool) (more bool, err error) {
	names, err := s.files.List(folder)
	if err != nil {
		return false, writeFault("list folder "+folder, err)
	}
	for _, name := range names {
		if err := s.usable(ctx); err != nil {
			return false, err
		}
		if !validID(blob.ID(name)) || name[:fanOut] != folder {
			continue
		}
		stat, err := s.files.Stat(filepath.Join(folder, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since the folder was read
		}
		if err != nil {
			return false, readFault(blob.ID(name), err)
		}
		if !fn(blob.Info{ID: blob.ID(name), Stored: stat.Size(), Created: stat.ModTime()}) {
			return false, nil
		}
	}
	return true, nil
}

// Close waits for commits under way and lets go of the directory. Readers that
// are still open go on to work.
func (s *Store) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := s.lock.Close(); err != nil {
		return writeFault("unlock the directory", err)
	}
	return nil
}

// finalPath is where a committed blob lies.
func finalPath(id blob.ID) string { return filepath.Join(string(id[:fanOut]), string(id)) }

// tmpPath is where it lies before.
func tmpPath(id blob.ID) string { return filepath.Join(tmpFolder, string(id)) }

func validID(id blob.ID) bool { return len(id) == idLength && isBase32(string(id)) }

func isFolder(name string) bool { return len(name) == fanOut && isBase32(name) }

// isBase32 is true of strings in the alphabet of RFC 4648 §6, in lower case.
func isBase32(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}
