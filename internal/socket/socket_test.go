package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// connected is both ends of a TCP connection, the first as Direct makes it.
func connected(t *testing.T) (ours, peer net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if peer, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return Direct(accepted), peer
}

// More than the kernel holds goes out whole, in pieces, as the peer reads it.
func TestSocketWritesAll(t *testing.T) {
	ours, peer := connected(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	result := make(chan error, 1)
	go func() {
		n, err := ours.Write(sent)
		if err == nil && n != len(sent) {
			err = io.ErrShortWrite
		}
		result <- errors.Join(err, ours.Close())
	}()
	got, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("the peer got %d of %d bytes, %v", len(got), len(sent), err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// How a wait ends is told as net tells it: a deadline, the end, a reset, our own Close.
func TestSocketErrors(t *testing.T) {
	ours, peer := connected(t)
	b := make([]byte, 10)
	ours.SetReadDeadline(time.Unix(1, 0))
	if n, err := ours.Read(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after its deadline a read gives %d, %v", n, err)
	}
	ours.SetReadDeadline(time.Time{})
	peer.Write([]byte("some"))
	if n, err := ours.Read(b); n != 4 || err != nil {
		t.Errorf("a read gives %d, %v", n, err)
	}
	peer.(*net.TCPConn).CloseWrite()
	if n, err := ours.Read(b); n != 0 || err != io.EOF {
		t.Errorf("at the end a read gives %d, %v", n, err)
	}
	ours.Close()
	if _, err := ours.Write(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close a write gives %v", err)
	}

	ours, peer = connected(t)
	peer.(*net.TCPConn).SetLinger(0)
	peer.Close()
	if _, err := ours.Read(b); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a reset a read gives %v", err)
	}
	if _, err := ours.Write(b); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("after a reset a write gives %v", err)
	}
}

// What has arrived is seen without being read, and so is the end.
func TestReadable(t *testing.T) {
	ours, peer := connected(t)
	raw, err := ours.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	ours.SetReadDeadline(time.Now().Add(20 * time.Second))
	if err := raw.Control(func(fd uintptr) {
		if Readable(fd) {
			t.Error("something has arrived before anything was sent")
		}
	}); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := raw.Read(Readable); err != nil {
		t.Errorf("what was sent does not arrive: %v", err)
	}
	if n, err := ours.Read(b); n != 1 || err != nil {
		t.Errorf("%d bytes were left to be read, %v", n, err)
	}
	peer.Close()
	if err := raw.Read(Readable); err != nil {
		t.Errorf("the end is not seen: %v", err)
	}
}
