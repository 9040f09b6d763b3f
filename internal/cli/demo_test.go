package cli

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"posthorn/internal/config"
)

// run carries out a command and returns what it said.
func run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Run(t.Context(), args, Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestDemo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	code, out, errs := run(t, "demo", "--any-ports", "--once")
	if code != exitDone || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"✓ alice hands in", "✓ bob reads it over IMAP", "✓ bob reads it over POP3", "user name   alice@example.test    password", "-u bob@example.test:", "Ctrl-C ends the demo."} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("the demo left %v, %v", left, err)
	}
}

func TestDemoGoesOnInItsFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	var passwords []string
	for range 2 {
		code, out, errs := run(t, "demo", "--any-ports", "--once", "--json", "--dir", dir)
		if code != exitDone || errs != "" {
			t.Fatalf("exit %d: %s", code, errs)
		}
		var said demonstrated
		if err := json.Unmarshal([]byte(out), &said); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if said.Dir != dir || len(said.Proven) != 3 || len(said.Listeners) != len(config.Protocols()) {
			t.Errorf("said %+v", said)
		}
		passwords = append(passwords, said.Accounts[demoAlice])
	}
	if passwords[0] == "" || passwords[0] == passwords[1] {
		t.Errorf("passwords %q", passwords)
	}
	code, out, _ := run(t, "account", "show", demoBob, "--json", "--config", filepath.Join(dir, configName))
	if code != exitDone || !strings.Contains(out, `"messages": 2`) {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestDemoLeavesServersAlone(t *testing.T) {
	s := newScript(t)
	newServer(t, s)
	code, _, errs := run(t, "demo", "--once", "--dir", filepath.Join(s.dir, "mail"))
	if want := "belongs to the server mail.example.test, not to a demo"; code != exitFailed || !strings.Contains(errs, want) {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestDemoNamesTheTakenPort(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	offset := taken.Addr().(*net.TCPAddr).Port - config.IMAP.HighPort()
	code, out, errs := run(t, "demo", "--once", "--port-offset="+strconv.Itoa(offset))
	want := "listener imap: cannot listen on " + taken.Addr().String() + ": address already in use"
	if code != exitFailed || out != "" || !strings.Contains(errs, want) || !strings.Contains(errs, "--any-ports takes what is free") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("the demo left %v, %v", left, err)
	}
}

// TestDemoRunsUntilToldToEnd ends it the way Ctrl-C does.
func TestDemoRunsUntilToldToEnd(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	demo := runInBackground(t, "demo", "--any-ports")
	demo.log.waitFor(t, "Ctrl-C ends the demo.", 1)
	if code := demo.stop(); code != exitDone || !strings.Contains(demo.log.String(), "The demo ends.") {
		t.Errorf("exit %d: %s", code, &demo.log)
	}
}
