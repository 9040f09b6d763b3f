package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: run with -update if this is right; got:\n%s", name, got)
	}
}

// script is a conversation with the command line, in a file:
//
//	# a comment
//	< a line of standard input for the next command
//	$ posthorn account add alice@example.test --password-file -
//	added alice@example.test
//	exit 1
//
// DIR is a folder of the test's own. Output is what the command wrote to either
// stream, with dates as DATE and public keys as KEY; "exit" stands below it unless it is 0.
type script struct {
	t   *testing.T
	dir string
	in  strings.Builder // of the next command
	out strings.Builder // the script as it went
}

func newScript(t *testing.T) *script { return &script{t: t, dir: t.TempDir()} }

// lay writes files into the script's folder.
func (s *script) lay(files ...map[string]string) {
	for _, some := range files {
		for name, text := range some {
			if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// play carries the commands of a script out and returns it as it went.
func (s *script) play(text string) string {
	s.out.Reset()
	space := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" {
			space = "\n" // belongs to what follows, unless that is output
			continue
		}
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "< ") || strings.HasPrefix(line, "$ posthorn") {
			fmt.Fprintf(&s.out, "%s%s\n", space, line)
		}
		space = ""
		switch line[0] {
		case '<':
			fmt.Fprintln(&s.in, line[2:])
		case '$':
			s.command(strings.Fields(line)[2:])
		}
	}
	return s.out.String()
}

func (s *script) command(args []string) {
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "DIR", s.dir)
	}
	var both bytes.Buffer
	code := Run(s.t.Context(), args, Streams{In: strings.NewReader(s.in.String()), Out: &both, Err: &both})
	s.in.Reset()
	s.out.WriteString(s.plain(both.String()))
	if code != 0 {
		fmt.Fprintln(&s.out, "exit", code)
	}
}

// plain takes out what differs each time.
func (s *script) plain(text string) string {
	text = strings.ReplaceAll(text, s.dir, "DIR")
	text = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)`).ReplaceAllString(text, "TIME")
	if u, err := user.Current(); err == nil {
		text = strings.ReplaceAll(text, "TIME  "+u.Username+" ", "TIME  OPERATOR ")
		text = strings.ReplaceAll(text, `"by": "`+u.Username+`"`, `"by": "OPERATOR"`)
	}
	text = regexp.MustCompile(`ph\d{8}([re])`).ReplaceAllString(text, "phYYYYMMDD$1")
	text = regexp.MustCompile(`p=[A-Za-z0-9+/=]{40,}(" "[A-Za-z0-9+/=]+)*`).ReplaceAllString(text, "p=KEY")
	text = regexp.MustCompile(`\$argon2id\$\S+?("?\n)`).ReplaceAllString(text, "HASH$1")
	text = regexp.MustCompile(`\b([0-9a-z]{4}-){4}[0-9a-z]{4}\b`).ReplaceAllString(text, "APP-PASSWORD")
	return regexp.MustCompile(`\d{4}-\d\d-\d\d`).ReplaceAllString(text, "DATE")
}

// anyPorts lets the system choose the ports of a configuration.
func anyPorts(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAll(text, []byte("127.0.0.1:0"))
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// lockedBuffer is written while it is read.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// waitFor waits until a log says something.
func (b *lockedBuffer) waitFor(t *testing.T, text string, times int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); strings.Count(b.String(), text) < times; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say %q %d times:\n%s", text, times, b)
		}
	}
}

// background is a command that runs until it is stopped.
type background struct {
	log  lockedBuffer
	stop func() (code int)
}

func runInBackground(t *testing.T, args ...string) *background {
	ctx, cancel := context.WithCancel(context.Background())
	b, done := &background{}, make(chan int, 1)
	go func() { done <- Run(ctx, args, Streams{In: strings.NewReader(""), Out: &b.log, Err: &b.log}) }()
	b.stop = sync.OnceValue(func() int {
		cancel()
		return <-done
	})
	t.Cleanup(func() { b.stop() })
	return b
}

// awaitFile waits until a file is there.
func awaitFile(t *testing.T, file string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not appear", file)
		}
	}
}
