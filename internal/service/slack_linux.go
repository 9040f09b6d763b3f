package service

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is how much later than asked the kernel may wake us.
const timerSlack = time.Millisecond

// Relax lets the kernel wake the process a millisecond later than it asks for. Go's
// runtime has a thread that looks after the others every 20 µs while one of them waits for
// the disk, as one nearly always does here, and that took a fifth of the processor. Its
// slack can be given to it before it starts only: so the program begins again, once.
// Where that is not possible all works as before.
func Relax() {
	runtime.LockOSThread() // the slack is the thread's that the new program begins with
	defer runtime.UnlockOSThread()
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil || time.Duration(slack) >= timerSlack {
		return
	}
	program, err := os.Executable()
	if err == nil && unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0) == nil {
		_ = syscall.Exec(program, os.Args, os.Environ()) // comes back only if it fails
	}
}
