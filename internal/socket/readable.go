package socket

import "syscall"

// Readable reports whether a read of a socket would not block: something has arrived, or
// the peer has hung up. It reads nothing.
func Readable(fd uintptr) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err != syscall.EAGAIN && err != syscall.EINTR
}
