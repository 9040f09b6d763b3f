//go:build unix && !linux

package pgtest

import (
	"errors"
	"syscall"
)

// processAttributes keeps the terminal's signals from the server: Main ends it.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func platformArgs() []string { return nil }

func childrenOf(int) ([]int, error) {
	return nil, errors.New("pgtest: killing PostgreSQL is known for Linux only")
}

func adoptOrphans() error { return nil }

func bury(int) {}
