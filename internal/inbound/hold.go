package inbound

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"posthorn/internal/fault"
)

// hold keeps the bytes of a message until it is known what stands in front of them:
// in memory, and when there are too many, in a file that has no name any more, so
// that it is gone with the process.
type hold struct {
	dir    string
	memory *[]byte // of holds; nil: nothing is kept in memory
	file   *os.File
}

// PrepareTempDir makes the directory for messages that are held back, and removes
// what an earlier process may have left in it: one that was killed between making a
// file and taking its name away.
func PrepareTempDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return holdFault(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "message-*"))
	if err != nil {
		return holdFault(err)
	}
	for _, file := range left {
		if err := os.Remove(file); err != nil {
			return holdFault(err)
		}
	}
	return nil
}

// holdMemory is how much of a message is kept in memory.
const holdMemory = 256 << 10

// holds are buffers for messages that are held back.
var holds = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// fits says whether there is room in memory for n bytes more.
func (h *hold) fits(n int) bool {
	return h.file == nil && (h.memory == nil && n <= holdMemory || h.memory != nil && len(*h.memory)+n <= holdMemory)
}

// Write keeps bytes. Kinds of error: StorageFull, Unavailable.
func (h *hold) Write(p []byte) (int, error) {
	if h.fits(len(p)) {
		if h.memory == nil {
			h.memory = holds.Get().(*[]byte)
		}
		*h.memory = append(*h.memory, p...)
		return len(p), nil
	}
	if h.file == nil {
		if err := h.spill(); err != nil {
			return 0, err
		}
	}
	if _, err := h.file.Write(p); err != nil {
		return 0, holdFault(err)
	}
	return len(p), nil
}

// spill moves what is in memory to a file.
func (h *hold) spill() error {
	f, err := os.CreateTemp(h.dir, "message-*")
	if err != nil {
		return holdFault(err)
	}
	h.file = f
	err = os.Remove(f.Name())
	if err == nil && h.memory != nil {
		_, err = f.Write(*h.memory)
	}
	h.forget()
	if err != nil {
		return holdFault(err)
	}
	return nil
}

// release passes everything on, and keeps it no longer.
func (h *hold) release(w io.Writer) error {
	defer h.drop()
	if h.memory != nil {
		_, err := w.Write(*h.memory)
		return err
	}
	if h.file == nil {
		return nil
	}
	if _, err := h.file.Seek(0, io.SeekStart); err != nil {
		return holdFault(err)
	}
	// Not io.Copy: it does not say which of the two has failed.
	buf := make([]byte, 64<<10)
	for {
		n, err := h.file.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return holdFault(err)
		}
	}
}

// drop gives up what is kept.
func (h *hold) drop() {
	h.forget()
	if h.file != nil {
		_ = h.file.Close() // nobody needs what is in it
		h.file = nil
	}
}

// forget gives the memory back.
func (h *hold) forget() {
	if h.memory != nil {
		*h.memory = (*h.memory)[:0]
		holds.Put(h.memory)
		h.memory = nil
	}
}

func holdFault(err error) error {
	kind := fault.Unavailable
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		kind = fault.StorageFull
	}
	return fault.New(kind, "inbound: a message cannot be held back: %w", err)
}
