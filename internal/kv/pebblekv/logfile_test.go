package pebblekv

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthorn/internal/kv"
)

// A process that was killed leaves a log that ends in zeros; all that was committed is
// read from it. New logs and those that are used again are alike.
func TestLogEndsInZeros(t *testing.T) {
	dir := t.TempDir()
	engine, err := Open(dir, Options{MemTableSize: 1 << 20, Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	const commits = 500
	value := bytes.Repeat([]byte("x"), 10_000)
	for i := range commits {
		put := func(tx kv.Tx) error { return tx.In("a/1").Put(fmt.Append(nil, i), value) }
		if err := engine.Update(t.Context(), []kv.Shard{"a/1"}, put); err != nil {
			t.Fatal(err)
		}
	}
	killed := copyAtRest(t, dir)
	if !endsInZeros(t, killed) {
		t.Error("no log ends in zeros")
	}
	again, err := Open(killed, Options{Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	err = again.View(t.Context(), "a/1", func(r kv.Reader) error {
		for i := range commits {
			if got, ok, err := r.Get(fmt.Append(nil, i)); err != nil || !ok || !bytes.Equal(got, value) {
				t.Errorf("commit %d: %v, %v", i, ok, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// copyAtRest copies the directory of an engine, which may be at maintenance: until one
// copy is of a moment.
func copyAtRest(t *testing.T, dir string) string {
	for {
		target, before := t.TempDir(), listing(t, dir)
		if os.CopyFS(target, os.DirFS(dir)) == nil && listing(t, dir) == before {
			return target
		}
	}
}

// listing is the names, sizes and times of the files in a directory.
func listing(t *testing.T, dir string) string {
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			fmt.Fprintln(&b, f.Name(), info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}

// endsInZeros says that a log in a directory does.
func endsInZeros(t *testing.T, dir string) bool {
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasSuffix(text, zeros[:1<<10]) {
			return true
		}
	}
	return false
}
