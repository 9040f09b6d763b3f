package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A test binary that is killed leaves its server's directory behind. Each directory
// has a file that is locked for as long as its binary lives, so that the next one
// can tell what is of no more use to anybody.
const occupied = "occupied"

// occupy marks a directory as in use until this process ends.
func occupy(dir string) error {
	fd, err := syscall.Open(filepath.Join(dir, occupied), syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("marking %s as in use: %w", dir, err)
	}
	return syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) // fd stays open
}

// removeAbandoned deletes the directories of binaries that have ended.
func removeAbandoned() {
	marks, _ := filepath.Glob("/tmp/pgtest*/" + occupied)
	for _, mark := range marks {
		if info, err := os.Stat(mark); err != nil || time.Since(info.ModTime()) < time.Minute {
			continue // perhaps about to be locked
		}
		fd, err := syscall.Open(mark, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(filepath.Dir(mark))
		}
		syscall.Close(fd)
	}
}
