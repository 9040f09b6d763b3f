package socket

import (
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// socket is a TCP connection whose reads and writes spare the scheduler: the socket
// never blocks, so the runtime need not be told that a thread may be gone for a while.
// Each time it is told on a server that was idle it wakes a thread to look after
// blocked ones (sysmon), which costs as much as the work for a small command.
type socket struct {
	*net.TCPConn
	raw syscall.RawConn

	in, out     transfer
	read, write func(fd uintptr) bool // in.read, out.write, made once
}

// transfer is a read or a write under way. There is one at a time in each direction.
type transfer struct {
	p      []byte
	n      int
	errno  syscall.Errno
	waited bool // it found nothing at first
}

// Direct gives a connection that spares the scheduler, if it is one of TCP.
func Direct(nc net.Conn) net.Conn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nc
	}
	s := &socket{TCPConn: tcp, raw: raw}
	s.read, s.write = s.in.read, s.out.write
	return s
}

// Read reads what has arrived. A peer that is as quick as we are would never have us
// wait, and with the disk's help keep a processor to itself, for tens of milliseconds,
// while all others wait in line for it. So a read that need not wait gives way to them.
func (s *socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.in = transfer{p: p}
	err := s.raw.Read(s.read)
	n, errno, waited := s.in.n, s.in.errno, s.in.waited
	s.in = transfer{}
	if !waited {
		runtime.Gosched()
	}
	switch {
	case err != nil:
		return 0, err
	case errno != 0:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError("read", errno)}
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write sends all of p.
func (s *socket) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.out = transfer{p: p}
	err := s.raw.Write(s.write)
	n, errno := s.out.n, s.out.errno
	s.out = transfer{}
	if err == nil && errno != 0 {
		err = &net.OpError{Op: "write", Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError("write", errno)}
	}
	return n, err
}

// read reports false when there is nothing to read yet.
func (t *transfer) read(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&t.p[0])), uintptr(len(t.p)))
		switch errno {
		case 0:
			t.n = int(n)
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			t.waited = true
			return false
		default:
			t.errno = errno
			return true
		}
	}
}

// write reports false when the peer must read first.
func (t *transfer) write(fd uintptr) bool {
	for t.n < len(t.p) {
		rest := t.p[t.n:]
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&rest[0])), uintptr(len(rest)))
		switch errno {
		case 0:
			t.n += int(n)
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.errno = errno
			return true
		}
	}
	return true
}
