package admin

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"posthorn/internal/fault"
)

// maxSocketPath is how long the path of a socket may be, with its closing NUL
// (struct sockaddr_un).
const maxSocketPath = 108

// Listen opens a control socket that only this user can connect to. A socket left
// behind by a process that died is replaced; that no other process is alive is the
// caller's to know, who holds the store.
func Listen(socket string) (net.Listener, error) {
	path, release, err := reachable(socket)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, fault.New(fault.Unavailable, "control socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fault.New(fault.Unavailable, "control socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // the path may only be good for now
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fault.New(fault.Unavailable, "control socket: %w", err)
	}
	return &listener{l, socket}, nil
}

// listener removes its file when it is closed.
type listener struct {
	net.Listener
	file string
}

func (l *listener) Close() error {
	_ = os.Remove(l.file) // a stale one does no harm
	return l.Listener.Close()
}

// reachable is a path to a socket that fits into an address. One that is too long
// leads through the open folder; release ends it.
func reachable(socket string) (path string, release func(), err error) {
	if len(socket) < maxSocketPath {
		return socket, func() {}, nil
	}
	folder, err := os.Open(filepath.Dir(socket))
	if err != nil {
		return "", nil, err
	}
	path = fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), filepath.Base(socket))
	return path, func() { folder.Close() }, nil
}
