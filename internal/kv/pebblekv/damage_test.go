package pebblekv_test

import (
	"os"
	"testing"
)

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
