package lists

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
)

// folder is a folder of lists, and what the log says about them.
type folder struct {
	t   *testing.T
	dir string
	log strings.Builder
	now time.Time
}

func newFolder(t *testing.T) *folder {
	return &folder{t: t, dir: t.TempDir(), now: time.Now()}
}

// write writes a file, at a time of its own.
func (f *folder) write(name, text string) {
	f.t.Helper()
	f.now = f.now.Add(time.Second)
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Chtimes(path, f.now, f.now); err != nil {
		f.t.Fatal(err)
	}
}

// list reads some of the files.
func (f *folder) list(names ...string) *List {
	var paths []string
	for _, name := range names {
		paths = append(paths, filepath.Join(f.dir, name))
	}
	return New(Options{
		Name: "deny", Paths: paths, Logger: slog.New(slog.NewTextHandler(&f.log, nil)),
		Clock: func() time.Time { return f.now.Add(time.Hour) },
	})
}

// said gives what the log says, and clears it.
func (f *folder) said() string {
	defer f.log.Reset()
	return strings.ReplaceAll(f.log.String(), f.dir+"/", "")
}

func show(e *Entry) string {
	if e == nil {
		return ""
	}
	return fmt.Sprintf("%v:%s (%s) %d", e.Kind, e.Text, e.Reason, e.Line)
}

const example = "\ufeff# Who is not welcome here.\r\n" +
	`
192.0.2.7         open proxy since May   # seen by carol
198.51.100.0/24   spam
198.51.100.128/25 more spam
2001:db8::/32	spam
ip:203.0.113.9
::ffff:203.0.113.10

helo:ylmf-pc      a robot
HELO:.dynamic.example.net
helo:[10.0.0.1]

Spammer@Example.ORG    we know you
example.com
.example.com      and below
from:.bücher.example
from:newsletter@
to:old@example.test  closed; write to info@example.test
to:@#! is no address
192.0.2.8         the last line has no end`

func TestLookups(t *testing.T) {
	f := newFolder(t)
	f.write("deny", example)
	l := f.list("deny")
	for _, tc := range []struct{ client, want string }{
		{"192.0.2.7", "ip:192.0.2.7 (open proxy since May) 3"},
		{"::ffff:192.0.2.7", "ip:192.0.2.7 (open proxy since May) 3"},
		{"192.0.2.6", ""},
		{"192.0.2.8", "ip:192.0.2.8 (the last line has no end) 21"},
		{"198.51.100.1", "ip:198.51.100.0/24 (spam) 4"},
		{"198.51.100.200", "ip:198.51.100.128/25 (more spam) 5"},
		{"198.51.101.1", ""},
		{"2001:db8:1::1", "ip:2001:db8::/32 (spam) 6"},
		{"2001:db9::1", ""},
		{"203.0.113.9", "ip:203.0.113.9 () 7"},
		{"203.0.113.10", "ip:203.0.113.10 () 8"},
	} {
		if got := show(l.Client(netip.MustParseAddr(tc.client))); got != tc.want {
			t.Errorf("client %s: %q, want %q", tc.client, got, tc.want)
		}
	}
	for _, tc := range []struct{ name, want string }{
		{"ylmf-pc", "helo:ylmf-pc (a robot) 10"},
		{"YLMF-PC.", "helo:ylmf-pc (a robot) 10"},
		{"host-1.dynamic.example.net", "helo:.dynamic.example.net () 11"},
		{"dynamic.example.net", ""},
		{"[10.0.0.1]", "helo:[10.0.0.1] () 12"},
		{"example.com", ""}, // that is a sender
		{"", ""},
	} {
		if got := show(l.Hello(tc.name)); got != tc.want {
			t.Errorf("hello %s: %q, want %q", tc.name, got, tc.want)
		}
	}
	for _, tc := range []struct{ address, want string }{
		{"spammer@example.org", "from:spammer@example.org (we know you) 14"},
		{"SPAMMER+tag@example.org", "from:spammer@example.org (we know you) 14"},
		{"other@example.org", ""},
		{"any@example.com", "from:example.com () 15"},
		{"any@a.b.EXAMPLE.com", "from:.example.com (and below) 16"},
		{"any@example.com.test", ""},
		{"any@sub.bücher.example", "from:.xn--bcher-kva.example () 17"},
		{"newsletter@anywhere.test", "from:newsletter@ () 18"},
		{"newsletter+42@anywhere.test", "from:newsletter@ () 18"},
		{"old@example.test", ""}, // that is a recipient
	} {
		a, err := addr.Parse(tc.address)
		if err != nil {
			t.Fatal(err)
		}
		if got := show(l.Sender(a)); got != tc.want {
			t.Errorf("sender %s: %q, want %q", a, got, tc.want)
		}
	}
	if got := show(l.Recipient(addr.Address{Local: "old", Domain: "example.test"})); got != "to:old@example.test (closed; write to info@example.test) 19" {
		t.Errorf("recipient: %q", got)
	}
	if l.Sender(addr.Address{}) != nil || l.Recipient(addr.Address{Local: "postmaster"}) != nil || l.Client(netip.Addr{}) != nil {
		t.Error("nobody is on a list")
	}
	if said := f.said(); !strings.Contains(said, "file=deny line=20 error=") || strings.Count(said, "level=WARN") != 1 {
		t.Errorf("log:\n%s", said)
	}
}

func TestWithoutLists(t *testing.T) {
	var none *List
	if none.Client(netip.MustParseAddr("192.0.2.1")) != nil || none.Hello("x") != nil || none.Sender(addr.Address{Local: "a", Domain: "b.test"}) != nil || none.Len() != 0 {
		t.Error("a nil list has entries")
	}
}

// What changes on the disk changes the list, and what is broken there does not.
func TestRefresh(t *testing.T) {
	f := newFolder(t)
	client := netip.MustParseAddr("192.0.2.7")
	l := f.list("deny", "deny.d")
	step := func(what string, listed bool, words ...string) {
		t.Helper()
		l.Refresh()
		if got := l.Client(client) != nil; got != listed {
			t.Errorf("%s: listed %v, want %v", what, got, listed)
		}
		said := f.said()
		for _, w := range words {
			if !strings.Contains(said, w) {
				t.Errorf("%s: the log does not say %q:\n%s", what, w, said)
			}
		}
		if len(words) == 0 && said != "" {
			t.Errorf("%s: the log says\n%s", what, said)
		}
	}
	step("nothing is there", false, `level=ERROR msg="list cannot be read`, "file=deny ", "file=deny.d ")
	step("nothing has changed", false)
	f.write("deny", "192.0.2.7\n")
	step("a new file", true, "files=1 entries=1")
	step("nothing has changed", true)
	f.write("deny", "192.0.2.8\nnonsense\n192.0.2.9\n")
	step("another text", false, "files=1 entries=2", "line=2", `\"nonsense\" is neither`)
	if l.Client(netip.MustParseAddr("192.0.2.9")) == nil {
		t.Error("a line behind the broken one does not count")
	}
	if err := os.Mkdir(filepath.Join(f.dir, "deny.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	f.write("deny.d/one", "192.0.2.7\n")
	f.write("deny.d/.one.swp", "192.0.2.99\n")
	f.write("deny.d/one~", "192.0.2.99\n")
	step("a file in the folder", true, "files=2 entries=3")
	if l.Client(netip.MustParseAddr("192.0.2.99")) != nil {
		t.Error("an editor's file counts")
	}
	if err := os.Rename(filepath.Join(f.dir, "deny.d"), filepath.Join(f.dir, "gone")); err != nil {
		t.Fatal(err)
	}
	step("the folder is gone", true, "file=deny.d ", "still counts")
	step("and stays so", true)
	if err := os.Rename(filepath.Join(f.dir, "gone"), filepath.Join(f.dir, "deny.d")); err != nil {
		t.Fatal(err)
	}
	step("it is back", true)
	if err := os.Remove(filepath.Join(f.dir, "deny.d", "one")); err != nil {
		t.Fatal(err)
	}
	step("a file of it was deleted", false, "files=1 entries=2")
	f.write("deny.d/two", "192.0.2.7")
	l.Use([]string{filepath.Join(f.dir, "deny.d")})
	step("another configuration", true, "files=1 entries=1")
}

// A file that was written a moment ago may change once more without looking like it.
func TestRefreshReadsUnsettledFilesAgain(t *testing.T) {
	f := newFolder(t)
	f.write("deny", "192.0.2.7\n")
	written := f.now
	l := f.list("deny")
	l.clock = func() time.Time { return written.Add(time.Millisecond) }
	f.write("deny", "192.0.2.8\n")
	written = f.now
	l.Refresh()
	if err := os.WriteFile(filepath.Join(f.dir, "deny"), []byte("192.0.2.9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(f.dir, "deny"), written, written); err != nil {
		t.Fatal(err)
	}
	l.clock = func() time.Time { return written.Add(time.Minute) }
	l.Refresh()
	if l.Client(netip.MustParseAddr("192.0.2.9")) == nil {
		t.Error("the second version was not read")
	}
}

func TestMistakes(t *testing.T) {
	for _, line := range []string{
		"192.0.2", "192.0.2.0/33", "ip:example.org", "ip:", "localhost", "helo:", "from:", "a@b@c", "to:@example.org",
		"example..org", "from:<>", "*.example.org", "::ffff:0.0.0.0/90", "fe80::1%eth0", "from:" + strings.Repeat("x", 300) + ".test",
	} {
		if e, ok, err := parseLine(line); err == nil {
			t.Errorf("%q is understood: %+v, %v", line, e, ok)
		}
	}
	f := newFolder(t)
	f.write("deny", strings.Repeat("nonsense\n", 50)+"# "+strings.Repeat("x", 100_000)+"\n192.0.2.7 "+strings.Repeat("y", 1000)+"\n192.0.2.9")
	l := f.list("deny")
	said := f.said()
	if strings.Count(said, "line=") != maxComplaints || !strings.Contains(said, "lines=42") || l.Len() != 1 {
		t.Errorf("%d entries, log:\n%s", l.Len(), said)
	}
}
