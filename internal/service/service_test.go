package service

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"posthorn/internal/fault"
)

// TestMain is also what the tests run as a service.
func TestMain(m *testing.M) {
	switch os.Getenv("SERVICE_TEST") {
	case "sockets":
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())) // as systemd does between fork and exec
		all, err := Sockets()
		for _, s := range all {
			os.Stdout.WriteString(s.Name + " " + s.Addr().String() + "\n")
		}
		if again, _ := Sockets(); len(again) > 0 {
			os.Stdout.WriteString("again\n")
		}
		if err != nil {
			os.Stdout.WriteString(err.Error() + "\n")
		}
	case "relax":
		Relax()
		slack, _ := os.ReadFile("/proc/self/timerslack_ns")
		os.Stdout.Write(slack)
	case "become":
		err := Become("nobody", "")
		os.Stdout.WriteString(strconv.Itoa(os.Getuid()) + " " + strconv.Itoa(os.Getegid()))
		if err != nil {
			os.Stdout.WriteString(" " + err.Error())
		}
		if f, err := os.Open("/etc/shadow"); err == nil {
			f.Close()
			os.Stdout.WriteString(" reads what only root may read")
		}
	default:
		os.Exit(m.Run())
	}
}

func run(t *testing.T, what string, files ...*os.File) string {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "SERVICE_TEST="+what, "LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES=smtp:imaps")
	c.ExtraFiles = files
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestSockets(t *testing.T) {
	var files []*os.File
	want := ""
	for _, name := range []string{"smtp", "imaps", ""} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
		want += name + " " + l.Addr().String() + "\n"
	}
	if got := run(t, "sockets", files...); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := run(t, "sockets"); got != "" {
		t.Errorf("without any: %q", got)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if got := run(t, "sockets", null); !strings.Contains(got, "no TCP socket") {
		t.Errorf("with a file: %q", got)
	}
}

func TestNotForUs(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	if all, err := Sockets(); len(all) > 0 || err != nil {
		t.Errorf("took somebody else's sockets: %v, %v", all, err)
	}
}

func TestTell(t *testing.T) {
	if err := (Manager{}).Tell(Ready); err != nil {
		t.Errorf("nobody: %v", err)
	}
	for _, address := range []string{filepath.Join(t.TempDir(), "notify"), "@posthorn-test-" + strconv.Itoa(os.Getpid())} {
		nc, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: strings.Replace(address, "@", "\x00", 1), Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		t.Setenv("NOTIFY_SOCKET", address)
		t.Setenv("WATCHDOG_USEC", "30000000")
		t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
		m := FindManager()
		if m.Watchdog() != 15*time.Second {
			t.Errorf("a watchdog of %v", m.Watchdog())
		}
		if err := m.Tell(Ready, Status("all\nis well")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		n, err := nc.Read(buf)
		if err != nil || string(buf[:n]) != "READY=1\nSTATUS=all is well" {
			t.Errorf("told %q, %v", buf[:n], err)
		}
	}
	t.Setenv("WATCHDOG_PID", "1")
	if m := FindManager(); m.Watchdog() != 0 {
		t.Error("somebody else's watchdog")
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	if err := FindManager().Tell(Ready); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a manager who is not there: %v", err)
	}
}

func TestBecome(t *testing.T) {
	if err := Become("no-such-user", ""); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if os.Getuid() != 0 {
		if err := Become("root", ""); !fault.Is(err, fault.Denied) {
			t.Error(err)
		}
		return
	}
	if err := Become("root", "no-such-group"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if got := run(t, "become"); got != "65534 65534" {
		t.Errorf("became %s", got)
	}
}
