package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// read reads a file of testdata.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// newServer sets a server up in a script's folder.
func newServer(t *testing.T, s *script) (configFile string) {
	t.Helper()
	configFile = filepath.Join(s.dir, "mail", configName)
	got := s.play("$ posthorn init --dir DIR/mail --domain example.test --ports high\n")
	if !strings.Contains(got, "made DIR/mail/posthorn.toml") {
		t.Fatal(got)
	}
	anyPorts(t, configFile)
	return configFile
}

// playTwice plays a script with the server stopped and running; nobody can tell the
// difference. files are laid into its folder.
func playTwice(t *testing.T, file string, files ...map[string]string) {
	t.Run("stopped", func(t *testing.T) {
		s := newScript(t)
		s.lay(files...)
		t.Setenv("POSTHORN_CONFIG", newServer(t, s))
		golden(t, file, s.play(read(t, file)))
	})
	t.Run("running", func(t *testing.T) {
		s := newScript(t)
		s.lay(files...)
		t.Setenv("POSTHORN_CONFIG", newServer(t, s))
		server := runInBackground(t, "serve")
		server.log.waitFor(t, `"msg":"ready"`, 1)
		golden(t, file, s.play(read(t, file)))
		if code := server.stop(); code != exitDone {
			t.Errorf("serve ended with %d:\n%s", code, &server.log)
		}
	})
}

func TestAdministration(t *testing.T) { playTwice(t, "administration.txt") }

func TestCredentials(t *testing.T) { playTwice(t, "credentials.txt") }

func TestAdmins(t *testing.T) { playTwice(t, "admins.txt") }

func TestKeys(t *testing.T) { playTwice(t, "keys.txt") }

func TestDomainDNS(t *testing.T) { playTwice(t, "dns.txt") }

func TestSetup(t *testing.T) {
	s := newScript(t)
	for name, text := range map[string]string{
		"bad.toml":            "hostnam = \"x\"\n[[listener]]\nprotocol = \"smpt\"\naddress = \"25\"\n",
		"no-certificate.toml": "hostname = \"mail.example.test\"\ntls = { certificate = \"cert.pem\", key = \"key.pem\" }\n[[listener]]\nprotocol = \"smtp\"\naddress = \":25\"\n",
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "setup.txt", s.play(read(t, "setup.txt")))

	for name, mode := range map[string]os.FileMode{keyName: 0o600, certificateName: 0o644, configName: 0o644, dataName: 0o700} {
		if info, err := os.Stat(filepath.Join(s.dir, "mail", name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, "other")); err != nil && !os.IsNotExist(err) || len(left) > 0 {
		t.Errorf("failed attempts left %v, %v", left, err)
	}
}

func TestMistakes(t *testing.T) {
	golden(t, "mistakes.txt", newScript(t).play(read(t, "mistakes.txt")))
}

func TestHelp(t *testing.T) {
	golden(t, "help.txt", newScript(t).play(read(t, "help.txt")))
}

func TestServeObeysSignals(t *testing.T) {
	s := newScript(t)
	file := newServer(t, s)
	pidFile := filepath.Join(s.dir, "pid")
	server := runInBackground(t, "serve", "--config", file, "--pid-file", pidFile)
	server.log.waitFor(t, `"msg":"ready"`, 1)
	server.log.waitFor(t, `"msg":"listening"`, 8)
	awaitFile(t, pidFile)
	if pid, err := os.ReadFile(pidFile); err != nil || string(pid) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("pid file: %q, %v", pid, err)
	}

	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tell := func(config []byte, sig syscall.Signal) {
		t.Helper()
		if err := os.WriteFile(file, config, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
	}
	tell([]byte("hostname = 7\n[limits]\nmax_recipients = 1\n"), syscall.SIGHUP)
	server.log.waitFor(t, `"msg":"not reloaded"`, 2) // both problems
	tell(bytes.Replace(good, []byte("# max_recipients = 1000"), []byte("max_recipients = 2000"), 1), syscall.SIGHUP)
	server.log.waitFor(t, `"msg":"reloaded"`, 1)
	server.log.waitFor(t, `"msg":"listening"`, 16)

	tell(good, syscall.SIGTERM)
	server.log.waitFor(t, `"msg":"stopped"`, 1)
	if code := server.stop(); code != exitDone {
		t.Errorf("serve ended with %d", code)
	}
	if _, err := os.Stat(pidFile); !os.IsNotExist(err) {
		t.Errorf("the pid file is still there: %v", err)
	}
}

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	if code := Run(t.Context(), []string{"version", "--json"}, Streams{Out: &out, Err: &out}); code != exitDone {
		t.Errorf("exit %d", code)
	}
	var v version
	if err := json.Unmarshal(out.Bytes(), &v); err != nil || v.Version == "" || !strings.HasPrefix(v.Go, "go") {
		t.Errorf("version %q, %v", &out, err)
	}
}

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %s", n, got)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 1234567: "1.23 MB", 5e12: "5 TB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %s", n, got)
		}
	}
}
