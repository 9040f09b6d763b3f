package fsblob

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"posthorn/internal/blob"
	"posthorn/internal/fault"
)

// files is the file system as far as this package uses it. Names are relative to
// the store's directory, "" is the directory itself. Besides osFiles there is the file
// system of the crash tests, which forgets what was not synced.
type files interface {
	Create(name string) (file, error) // for writing; it must not exist
	Open(name string) (file, error)   // for reading
	Stat(name string) (fs.FileInfo, error)
	Rename(from, to string) error
	Remove(name string) error
	MkdirAll(name string) error
	List(folder string) ([]string, error)
	SyncDir(folder string) error // makes names in the folder durable
	Lock(name string) (io.Closer, error)
}

type file interface {
	io.Writer
	io.ReaderAt
	io.Closer
	Sync() error
	Stat() (fs.FileInfo, error)
}

// osFiles is a directory of the operating system.
type osFiles struct{ dir string }

func (o osFiles) path(name string) string { return filepath.Join(o.dir, name) }

func (o osFiles) Create(name string) (file, error) {
	return opened(os.OpenFile(o.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600))
}

func (o osFiles) Open(name string) (file, error) { return opened(os.Open(o.path(name))) }

// opened keeps a nil *os.File from becoming a file that is not nil.
func opened(f *os.File, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (o osFiles) Stat(name string) (fs.FileInfo, error) { return os.Stat(o.path(name)) }
func (o osFiles) Rename(from, to string) error          { return os.Rename(o.path(from), o.path(to)) }
func (o osFiles) Remove(name string) error              { return os.Remove(o.path(name)) }
func (o osFiles) MkdirAll(name string) error            { return os.MkdirAll(o.path(name), 0o700) }

func (o osFiles) List(folder string) ([]string, error) {
	d, err := os.Open(o.path(folder))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

func (o osFiles) SyncDir(folder string) error {
	d, err := os.Open(o.path(folder))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Lock takes a lock that ends with the process, however that ends.
func (o osFiles) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(o.path(name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, writeFault("open the lock", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fault.New(fault.InUse, "fsblob: %s is used by another process", o.dir)
	}
	return nil, writeFault("lock the directory", err)
}

// writeFault classifies an error met while changing something or listing.
func writeFault(doing string, err error) error {
	kind := fault.Unavailable
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		kind = fault.StorageFull
	}
	return fault.New(kind, "fsblob: %s: %w", doing, err)
}

// readFault classifies an error met while reading a blob.
func readFault(id blob.ID, err error) error {
	kind := fault.Unavailable
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, io.EOF):
		kind = fault.Corrupt // shorter than its own index says
	case errors.Is(err, syscall.EIO):
		kind = fault.Corrupt // the medium, or a file system with checksums, refuses to give it
	}
	return fault.New(kind, "fsblob: blob %s: %w", id, err)
}
