// Package socket owns how bytes of a TCP connection get to the kernel and back: past
// the scheduler, where that can be (socket_linux.go). It knows no protocol, and a
// connection of its is in everything else the net.TCPConn that it was.
package socket
