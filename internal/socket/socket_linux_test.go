package socket

import (
	"runtime"
	"testing"
)

// Who can always read gives way to who is ready to run.
func TestSocketGivesWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ours, peer := connected(t)
	const reads = 100
	peer.Write(make([]byte, reads))
	turns, done := 0, make(chan struct{})
	go func() {
		for ; turns < reads/2; turns++ {
			runtime.Gosched()
		}
		close(done)
	}()
	b := make([]byte, 1)
	for range reads {
		if _, err := ours.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-done:
	default:
		t.Error("another goroutine had no turn at each read")
	}
}
