package thunderbird

import (
	"bufio"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is for what takes seconds, on a busy machine.
const patience = 2 * time.Minute

// marionette is a running Thunderbird's remote control: JSON behind its length, over a
// socket.
type marionette struct {
	*testing.T
	conn net.Conn
	in   *bufio.Reader
	id   int
}

//go:embed account.js
var prelude string

// open starts Thunderbird with a profile of its own on a screen of its own.
func open(t *testing.T) *marionette {
	t.Helper()
	dir := t.TempDir()
	profile := filepath.Join(dir, "profile")
	if err := os.Mkdir(profile, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := append(os.Environ(), "HOME="+dir, "DISPLAY="+screen(t), "LANG=C.UTF-8", "MOZ_CRASHREPORTER_DISABLE=1")
	run(t, environment, nil, "thunderbird", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", profile)
	port := waitFor(t, filepath.Join(profile, "MarionetteActivePort"))
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	m := &marionette{T: t, conn: conn, in: bufio.NewReader(conn)}
	m.receive() // who it is
	m.command("WebDriver:NewSession", map[string]any{"capabilities": map[string]any{}})
	m.command("Marionette:SetContext", map[string]any{"value": "chrome"})
	m.command("WebDriver:SetTimeouts", map[string]any{"script": patience.Milliseconds()})
	return m
}

// preferences: nobody is called, asked or greeted; Marionette takes a free port;
// what is said over SMTP is logged.
const preferences = `
user_pref("marionette.port", 0);
user_pref("app.donation.eoy.version.viewed", 999);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("mail.provider.suppress_dialog_on_startup", true);
user_pref("mail.rights.version", 1);
user_pref("mail.shell.checkDefaultClient", false);
user_pref("mail.spotlight.firstRunDone", true);
user_pref("mail.winsearch.firstRunDone", true);
user_pref("mailnews.start_page.enabled", false);
user_pref("mailnews.start_page_override.mstone", "ignore");
user_pref("browser.policies.runOncePerModification.enabled", false);
user_pref("mail.compose.attachment_reminder", false);
user_pref("mailnews.display.html_as", 0);
user_pref("network.proxy.type", 0);
user_pref("mailnews.smtp.loglevel", "All");
user_pref("devtools.console.stdout.chrome", true);
user_pref("network.dns.disableIPv6", true);
user_pref("mail.ui.folderpane.version", 999);
`

// screen starts an X server without a screen and gives its name.
func screen(t *testing.T) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	run(t, os.Environ(), []*os.File{w}, "Xvfb", "-displayfd", "3", "-screen", "0", "1280x900x24", "-nolisten", "tcp")
	w.Close()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb: %v", err)
	}
	return ":" + strings.TrimSpace(line)
}

// run starts a program that lives as long as the test.
func run(t *testing.T, environment []string, files []*os.File, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed. Run: test/deps thunderbird", name)
	}
	output, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Env, c.ExtraFiles, c.Stdout, c.Stderr = environment, files, output, output
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		output.Close()
		if text, err := os.ReadFile(output.Name()); t.Failed() && err == nil {
			t.Logf("the end of what %s said:\n%s", name, text[max(0, len(text)-3000):])
		}
	})
}

// waitFor waits until a file is there and gives what is in it.
func waitFor(t *testing.T, name string) string {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if text, err := os.ReadFile(name); err == nil && len(text) > 0 {
			return strings.TrimSpace(string(text))
		}
	}
	t.Fatalf("%s has not appeared in %v", filepath.Base(name), patience)
	return ""
}

func (m *marionette) receive() json.RawMessage {
	m.Helper()
	m.conn.SetReadDeadline(time.Now().Add(patience + 10*time.Second))
	length, err := m.in.ReadString(':')
	if err != nil {
		m.Fatalf("Thunderbird says nothing: %v", err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
	if err != nil {
		m.Fatal(err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(m.in, b); err != nil {
		m.Fatal(err)
	}
	return b
}

// command gives the value of a command's result.
func (m *marionette) command(name string, parameters map[string]any) json.RawMessage {
	m.Helper()
	m.id++
	b, err := json.Marshal([]any{0, m.id, name, parameters})
	if err != nil {
		m.Fatal(err)
	}
	if _, err := fmt.Fprintf(m.conn, "%d:%s", len(b), b); err != nil {
		m.Fatal(err)
	}
	var kind, id int
	var failure *struct{ Error, Message, Stacktrace string }
	var result struct{ Value json.RawMessage }
	if err := json.Unmarshal(m.receive(), &[]any{&kind, &id, &failure, &result}); err != nil {
		m.Fatal(err)
	}
	if failure != nil {
		m.screenshot()
		m.Fatalf("Thunderbird, %s: %s: %s\n%s", name, failure.Error, failure.Message, failure.Stacktrace)
	}
	return result.Value
}

// script runs a program within Thunderbird, which may await, and gives what it returns.
func (m *marionette) script(program string, arguments ...any) string {
	m.Helper()
	if arguments == nil {
		arguments = []any{}
	}
	value := m.command("WebDriver:ExecuteAsyncScript", map[string]any{
		"script": "const done = arguments[arguments.length - 1];" + prelude +
			";(async (...args) => {" + program + "})(...arguments).then(v => done({ v: String(v) }), e => done({ e: `${e}\\n${e.stack}` }))",
		"args": arguments,
	})
	var result struct{ V, E string }
	if err := json.Unmarshal(value, &result); err != nil {
		m.Fatalf("%v: %s", err, value)
	}
	if result.E != "" {
		m.screenshot()
		m.Fatalf("Thunderbird: %s", result.E)
	}
	return result.V
}

// screenshot writes what is to be seen to a file, for a person to look at.
func (m *marionette) screenshot() {
	m.Helper()
	b, err := json.Marshal([]any{0, 0, "WebDriver:TakeScreenshot", map[string]any{"full": false, "hash": false}})
	if err != nil {
		m.Fatal(err)
	}
	fmt.Fprintf(m.conn, "%d:%s", len(b), b)
	var failure any
	var text struct{ Value string }
	reply := m.receive()
	if err := json.Unmarshal(reply, &[]any{new(int), new(int), &failure, &text}); err != nil || failure != nil {
		m.Errorf("no screenshot: %v %v", err, failure)
		return
	}
	image, err := base64.StdEncoding.DecodeString(text.Value)
	if err == nil {
		err = os.WriteFile(*picture, image, 0o644)
	}
	if err != nil {
		m.Error(err)
	}
	m.Logf("what was to be seen is in %s", *picture)
}
