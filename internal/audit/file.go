package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/fault"
)

// largest is how large a file gets before another is begun on the same day.
const largest = 100 << 20

// file is the output to a file, one a day: at midnight (UTC), or when it has become too
// large, audit.jsonl is renamed to audit-2026-11-22.jsonl or audit-2026-11-22.2.jsonl. Those whose days are
// over are removed.
type file struct {
	path string
	days int // that old ones are kept
	open *os.File
	day  string // of what is in it
	size int64
}

func (f *file) write(lines []line) (taken int, err error) {
	for taken < len(lines) {
		day := lines[taken].at.UTC().Format(time.DateOnly)
		if err := f.prepare(day); err != nil {
			return taken, err
		}
		var text bytes.Buffer
		n := 0
		for _, l := range lines[taken:] {
			if l.at.UTC().Format(time.DateOnly) != day {
				break
			}
			text.Write(l.text)
			text.WriteByte('\n')
			n++
		}
		written, err := f.open.Write(text.Bytes())
		f.size += int64(written)
		if err != nil {
			return taken, fault.New(fault.Unavailable, "audit: %w", err)
		}
		taken += n
	}
	return taken, nil
}

// prepare opens the file of a day; that of another is put aside.
func (f *file) prepare(day string) error {
	if f.open == nil {
		if err := f.openFile(day); err != nil {
			return err
		}
	}
	if f.day == day && f.size < largest {
		return nil
	}
	if err := f.putAside(); err != nil {
		return err
	}
	f.forget(day)
	return f.openFile(day)
}

// openFile opens the file for appending. What is in it is of the day of its last change.
func (f *file) openFile(day string) error {
	open, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.New(fault.Unavailable, "audit: %w", err)
	}
	info, err := open.Stat()
	if err != nil {
		return errors.Join(fault.New(fault.Unavailable, "audit: %w", err), open.Close())
	}
	f.open, f.day, f.size = open, day, info.Size()
	if f.size > 0 {
		f.day = info.ModTime().UTC().Format(time.DateOnly)
	}
	return nil
}

// putAside closes the file and gives it the name of its day.
func (f *file) putAside() error {
	if err := f.close(); err != nil {
		return err
	}
	ext := filepath.Ext(f.path)
	stem := strings.TrimSuffix(f.path, ext) + "-" + f.day
	name := stem + ext
	for n := 2; exists(name); n++ {
		name = stem + "." + strconv.Itoa(n) + ext
	}
	if err := os.Rename(f.path, name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.Unavailable, "audit: %w", err)
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// forget removes the files of days that are over. One that cannot be removed stays for
// the next day.
func (f *file) forget(today string) {
	at, err := time.Parse(time.DateOnly, today)
	if err != nil {
		return
	}
	ext := filepath.Ext(f.path)
	prefix := filepath.Base(strings.TrimSuffix(f.path, ext)) + "-"
	files, _ := os.ReadDir(filepath.Dir(f.path))
	for _, one := range files {
		rest, ours := strings.CutPrefix(one.Name(), prefix)
		if !ours || filepath.Ext(rest) != ext || len(rest) < len(time.DateOnly) {
			continue
		}
		day, err := time.Parse(time.DateOnly, rest[:len(time.DateOnly)])
		if err == nil && day.AddDate(0, 0, f.days).Before(at) {
			os.Remove(filepath.Join(filepath.Dir(f.path), one.Name()))
		}
	}
}

func (f *file) close() error {
	if f.open == nil {
		return nil
	}
	err := f.open.Close()
	f.open = nil
	return err
}
