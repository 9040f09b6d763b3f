package lists

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is a file that was read.
type file struct {
	index
	path  string
	stamp stamp
}

// stamp tells whether a file is the one that was read.
type stamp struct {
	size    int64
	changed time.Time
	// settled says that the file was at rest when it was read: one that has just been
	// written may be written again in the same tick of the clock.
	settled bool
}

// rest is how long a file must not have changed to be settled.
const rest = 2 * time.Second

const (
	longestLine   = 1000 // bytes
	maxComplaints = 10   // lines of one file that the log names
)

// Use changes the files that the list consists of, and reads them.
func (l *List) Use(paths []string) {
	l.refreshing.Lock()
	l.paths = paths
	l.refreshing.Unlock()
	l.Refresh()
}

// Refresh reads the files that have changed.
func (l *List) Refresh() {
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	had := *l.files.Load()
	var now []*file
	changed := false
	for _, path := range l.paths {
		names, folder, err := expand(path)
		if err != nil || folder {
			l.complain(path, err)
		}
		if err != nil {
			now, names = append(now, filesOf(had, path)...), nil
		}
		for _, name := range names {
			old := fileNamed(had, name)
			f, err := l.look(name, old)
			l.complain(name, err)
			if f != nil {
				now = append(now, f)
			}
			changed = changed || f != old
		}
	}
	if changed || len(now) != len(had) {
		l.files.Store(&now)
		l.log.Info("list read", "files", len(now), "entries", l.Len())
	}
}

// expand gives the files of a path: itself, or what is in the folder, but for what
// editors leave there.
func expand(path string) (names []string, folder bool, err error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, false, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, true, err
	}
	for _, e := range entries {
		hidden := strings.HasPrefix(e.Name(), ".") || strings.HasPrefix(e.Name(), "#") || strings.HasSuffix(e.Name(), "~")
		if !hidden && !e.IsDir() {
			names = append(names, filepath.Join(path, e.Name()))
		}
	}
	return names, true, nil
}

// filesOf are those files that a path once stood for.
func filesOf(all []*file, path string) []*file {
	return slices.DeleteFunc(slices.Clone(all), func(f *file) bool {
		return f.path != path && filepath.Dir(f.path) != filepath.Clean(path)
	})
}

func fileNamed(all []*file, name string) *file {
	if i := slices.IndexFunc(all, func(f *file) bool { return f.path == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// complain says what is wrong with a path: once, until something else is, or nothing.
func (l *List) complain(path string, err error) {
	switch {
	case err == nil:
		delete(l.complaints, path)
	case l.complaints[path] != err.Error():
		l.complaints[path] = err.Error()
		l.log.Error("list cannot be read; what was in it still counts", "file", path, "error", err)
	}
}

// look gives the file as it is now, or the old one if it has not changed or cannot be
// read.
func (l *List) look(name string, old *file) (*file, error) {
	f, err := os.Open(name)
	if err != nil {
		return old, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return old, err
	}
	now := stamp{info.Size(), info.ModTime(), l.clock().Sub(info.ModTime()) >= rest}
	switch {
	case !info.Mode().IsRegular():
		return old, &fs.PathError{Op: "read", Path: name, Err: errors.New("it is not a file")}
	case old != nil && old.stamp == now:
		return old, nil
	}
	read := &file{index: newIndex(), path: name, stamp: now}
	complaints := complaints{log: l.log.With("file", name)}
	if err := read.lines(f, &complaints); err != nil {
		return old, err
	}
	complaints.end()
	return read, nil
}

// lines adds all lines of a file.
func (f *file) lines(r io.Reader, c *complaints) error {
	b := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		line, err := b.ReadSlice('\n')
		tooLong := len(line) > longestLine
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = b.ReadSlice('\n')
		}
		if tooLong {
			c.line(n, errTooLong)
		} else if e, ok, problem := parseLine(strings.TrimRight(strings.TrimPrefix(string(line), bom), "\r\n")); problem != nil {
			c.line(n, problem)
		} else if ok {
			f.add(e, n)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// bom is what some editors begin a file with.
const bom = "\ufeff"

var errTooLong = errors.New("the line is too long; want at most 1000 bytes")

// complaints are the lines of a file that nobody understands.
type complaints struct {
	log *slog.Logger
	n   int
}

func (c *complaints) line(n int, err error) {
	if c.n++; c.n <= maxComplaints {
		c.log.Warn("list has a line that does not count", "line", n, "error", err)
	}
}

func (c *complaints) end() {
	if more := c.n - maxComplaints; more > 0 {
		c.log.Warn("list has more lines that do not count", "lines", more)
	}
}
