package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// processAttributes has the server end with us, however we end.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}
}

// platformArgs has crash recovery begin with one syncfs, where it would otherwise
// open and fsync every file of every database.
func platformArgs() []string { return []string{"-c", "recovery_init_sync_method=syncfs"} }

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return nil, fmt.Errorf("pgtest: killing PostgreSQL needs /proc to find its processes")
	}
	var children []int
	for _, path := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && statOf(child, parent) == pid {
			children = append(children, child)
		}
	}
	return children, nil
}

// Fields of /proc/PID/stat, counted from the one after the process's name.
const (
	parent       = 1
	userTime     = 11 // in ticks of 10 ms; the three after it are the system's,
	childrenTime = 14 // and what ended children have used
)

// statOf reads a field that is a number; 0 if the process has ended.
func statOf(pid, field int) int {
	fields := stat(pid)
	if fields == nil {
		return 0
	}
	n, _ := strconv.Atoi(fields[field])
	return n
}

// stopped reports whether a process has been stopped by SIGSTOP, or has ended.
func stopped(pid int) bool {
	fields := stat(pid)
	return fields == nil || strings.Contains("TZX", fields[0])
}

// stat reads the fields of a process; nil if it has ended.
func stat(pid int) []string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	// "pid (name) state parent …", where the name may hold anything.
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	return strings.Fields(rest)
}

// CPU is the processor time that the server's processes have used since its start,
// to the nearest 10 ms each.
func (s *Server) CPU() time.Duration {
	ticks := 0
	children, _ := childrenOf(s.postmaster.pid)
	for _, pid := range append(children, s.postmaster.pid) {
		for field := userTime; field <= childrenTime; field++ {
			ticks += statOf(pid, field)
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// adoptOrphans makes us the parent of the processes that a killed postmaster
// leaves behind, so that bury can wait for their end.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("pgtest: becoming the parent of orphans: %w", err)
	}
	return nil
}

// bury waits for the end of a process that we adopted.
func bury(pid int) {
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != syscall.EINTR {
			return
		}
	}
}
