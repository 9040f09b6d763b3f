package deb

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthorn/test/live"
)

// TestManager: a service manager hears when the server is ready, reloads, lives and ends.
func TestManager(t *testing.T) {
	binary, err := live.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "notify")
	nc, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetReadDeadline(time.Now().Add(time.Minute))
	hear := func(want string) {
		t.Helper()
		for buf := make([]byte, 1000); ; {
			n, err := nc.Read(buf)
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			if strings.Contains(string(buf[:n]), want) {
				return
			}
			if string(buf[:n]) != "WATCHDOG=1" { // which comes whenever it likes
				t.Fatalf("heard %q, want %s", buf[:n], want)
			}
		}
	}
	server := live.Install(t, live.Options{Binary: binary})
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "400000")
	server.Start(t)
	hear("READY=1\nSTATUS=serving mail.example.test")
	hear("WATCHDOG=1")
	server.Reload(t)
	hear("RELOADING=1")
	hear("READY=1")
	server.Stop(t)
	hear("STOPPING=1")
}
