package certs

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"time"
)

const (
	watchEvery = 5 * time.Second
	warnEvery  = time.Hour
)

// Watch takes changed files over, and raises alarms, until ctx ends.
func (s *Set) Watch(ctx context.Context) {
	w := watcher{set: s}
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for last := s.clock(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		w.look()
		if now := s.clock(); now.Sub(last) >= warnEvery {
			last = now
			s.mu.Lock()
			s.warn()
			s.mu.Unlock()
		}
	}
}

// watcher is what Watch remembers of the files.
type watcher struct {
	set    *Set
	of     *Loaded   // whose files these are
	seen   []version // when they were last read
	broken bool      // what was read then could not be used
	told   bool
}

// version tells whether a file is still what it was.
type version struct {
	info fs.FileInfo // nil: it is not there
}

func (v version) same(other version) bool {
	if v.info == nil || other.info == nil {
		return v.info == other.info
	}
	return os.SameFile(v.info, other.info) && v.info.Size() == other.info.Size() && v.info.ModTime().Equal(other.info.ModTime())
}

// look reads the files if they have changed. A certificate and its key are not
// exchanged in one moment: what cannot be used is only told if it stays so.
func (w *watcher) look() {
	s := w.set
	s.mu.Lock()
	loaded := s.loaded
	s.mu.Unlock()
	if w.of != loaded { // somebody else has read them
		w.of, w.seen, w.broken, w.told = loaded, loaded.versions, false, false
	}
	now := versions(loaded.options)
	switch unchanged := slices.EqualFunc(now, w.seen, version.same); {
	case unchanged && (!w.broken || w.told):
		return
	case !unchanged:
		w.seen, w.broken, w.told = now, false, false
	}
	fresh, err := Read(loaded.options, s.clock())
	if err != nil {
		if w.broken {
			s.log.Warn("a certificate has changed, but cannot be used; the old one stays", "error", err)
			w.told = true
		}
		w.broken = true
		return
	}
	s.mu.Lock()
	if s.loaded == loaded { // no reload came in between
		s.loaded, w.of = fresh, fresh
		s.rebuild()
		s.log.Info("a certificate has changed, and is shown from now on")
		s.warn()
	}
	s.mu.Unlock()
	w.broken, w.told = false, false
}

// versions are those of the files that options name.

func versions(o Options) []version {
	var all []version
	for _, f := range append([]File{o.Default}, o.Files...) {
		for _, name := range []string{f.Certificate, f.Key} {
			info, _ := os.Stat(name)
			all = append(all, version{info})
		}
	}
	return all
}
