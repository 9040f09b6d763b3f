//go:build unix && !linux

package pgtest

import (
	"errors"
	"syscall"
	"time"
)

// processAttributes keeps the terminal's signals from the server: Main ends it.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func platformArgs() []string { return nil }

// stopped cannot be known here; childrenOf will say so.
func stopped(int) bool { return true }

func childrenOf(int) ([]int, error) {
	return nil, errors.New("pgtest: killing PostgreSQL is known for Linux only")
}

// CPU is the processor time that the server's processes have used; not known here.
func (s *Server) CPU() time.Duration { return 0 }

func adoptOrphans() error { return nil }

func bury(int) {}
