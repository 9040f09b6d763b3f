// Package service owns the conversation with whoever runs the server as a service:
// sockets that are handed down, what systemd is told, and the change from root to a user
// who may do little.
//
// It knows the environment and a few system calls, and nothing of mail. Without a service
// manager all of it does nothing.
package service

import (
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"posthorn/internal/fault"
)

// firstSocket is the number of the first file that a service manager hands down.
const firstSocket = 3

// Socket is a listening socket that the service manager has opened for us.
type Socket struct {
	*net.TCPListener
	Name string // FileDescriptorName= of its unit
}

// Sockets takes over those that were handed down, as systemd.socket(5) does it, by the
// variables LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES. They are for this process alone and
// are removed from its environment.
func Sockets() ([]Socket, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	n, err := strconv.Atoi(count)
	if pid != strconv.Itoa(os.Getpid()) || err != nil || n <= 0 {
		return nil, nil
	}
	var all []Socket
	for i, name := range append(strings.Split(names, ":"), make([]string, n)...)[:n] {
		syscall.CloseOnExec(firstSocket + i)
		file := os.NewFile(uintptr(firstSocket+i), name)
		l, err := net.FileListener(file)
		file.Close() // the listener has a copy
		tcp, ok := l.(*net.TCPListener)
		if err != nil || !ok {
			return nil, fault.New(fault.Invalid, "service: file %d (%q), which the service manager hands down, is no TCP socket that listens", firstSocket+i, name)
		}
		all = append(all, Socket{tcp, name})
	}
	return all, nil
}

// Manager is told how the service is. The zero Manager is nobody.
type Manager struct {
	address  string
	watchdog time.Duration // how long we may be silent; 0: as long as we like
}

// FindManager finds who wants to be told (sd_notify(3)).
func FindManager() Manager {
	m := Manager{address: os.Getenv("NOTIFY_SOCKET")}
	if pid := os.Getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if n, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && n > 0 && m.address != "" {
			m.watchdog = time.Duration(n) * time.Microsecond
		}
	}
	return m
}

// What a manager can be told.
const (
	Ready     = "READY=1"
	Reloading = "RELOADING=1"
	Stopping  = "STOPPING=1"
	Alive     = "WATCHDOG=1"
)

// Status is what the manager shows people.
func Status(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", " ") }

// Tell tells the manager. Nobody waits for him: what he does not read is lost.
func (m Manager) Tell(states ...string) error {
	if m.address == "" {
		return nil
	}
	name := m.address
	if strings.HasPrefix(name, "@") { // a name without a file
		name = "\x00" + name[1:]
	}
	nc, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fault.New(fault.Unavailable, "service: the manager cannot be told: %w", err)
	}
	defer nc.Close()
	nc.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := nc.Write([]byte(strings.Join(states, "\n"))); err != nil {
		return fault.New(fault.Unavailable, "service: the manager cannot be told: %w", err)
	}
	return nil
}

// Watchdog is how often the manager wants to hear that we are alive; 0: he does not care.
// It is half of the time after which he would act.
func (m Manager) Watchdog() time.Duration { return m.watchdog / 2 }

// Become goes over to another user, and there is no way back. Whoever is that user
// already stays it. Kinds of errors: NotFound, Denied.
func Become(name, group string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return fault.New(fault.NotFound, "service.user: there is no user %q", name)
	}
	gid := u.Gid
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return fault.New(fault.NotFound, "service.group: there is no group %q", group)
		}
		gid = g.Gid
	}
	uidNumber, err := strconv.Atoi(u.Uid)
	if err != nil {
		return fault.New(fault.Internal, "service: user %q has number %q", name, u.Uid)
	}
	gidNumber, err := strconv.Atoi(gid)
	if err != nil {
		return fault.New(fault.Internal, "service: group of %q has number %q", name, gid)
	}
	switch os.Getuid() {
	case uidNumber:
		return nil
	case 0:
	default:
		return fault.New(fault.Denied, "service.user: only root can become %q; start the server as root, or as that user", name)
	}
	for _, step := range []func() error{ // the user last: only root may do the others
		func() error { return syscall.Setgroups([]int{gidNumber}) },
		func() error { return syscall.Setgid(gidNumber) },
		func() error { return syscall.Setuid(uidNumber) },
	} {
		if err := step(); err != nil {
			return fault.New(fault.Denied, "service: becoming %q: %w", name, err)
		}
	}
	if syscall.Setuid(0) == nil && uidNumber != 0 {
		return fault.New(fault.Internal, "service: there is a way back to root")
	}
	return nil
}
