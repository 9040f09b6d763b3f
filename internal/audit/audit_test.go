package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/kv/memkv"
	"posthorn/internal/obs"
)

func login(user, ip string) *obs.Event {
	return &obs.Event{
		Kind: obs.LoggedIn, User: user, Action: "PLAIN", Protocol: "imap", Remote: netip.MustParseAddr(ip), Hello: "mutt", TLS: "TLS 1.3", Conn: "abc",
	}
}

// fill records what a day may have.
func fill(l *Log) {
	l.Record(login("alice@example.test", "192.0.2.1"))
	failed := login("alice@example.test", "198.51.100.7")
	failed.Kind, failed.Error = obs.AuthFailed, "wrong"
	l.Record(failed)
	l.Record(login("bob@example.test", "192.0.2.1"))
	l.Record(&obs.Event{Kind: obs.Administered, By: "root", Action: "account/passwd", User: "alice@example.test"})
	l.Record(&obs.Event{Kind: obs.Expunged, User: "bob@example.test", Folder: "INBOX", Count: 12, Protocol: "pop3"})
}

func names(entries []Entry) string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Event+" "+e.User)
	}
	return strings.Join(all, ", ")
}

// What was recorded is found by who, where from, what and when; written or not.
func TestSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memkv.New(memkv.Options{})
		l := New(Options{Engine: engine, Days: 2})
		defer func() { l.Close(t.Context()) }()
		fill(l)
		began := time.Now()
		for round := range 2 {
			for _, tc := range []struct {
				q    Query
				want string
			}{
				{Query{Who: "alice@example.test"}, "logged in alice@example.test, authentication failed alice@example.test, administered alice@example.test"},
				{Query{Who: "ALICE@example.test", IP: "192.0.2.1"}, "logged in alice@example.test"},
				{Query{IP: "192.0.2.1"}, "logged in alice@example.test, logged in bob@example.test"},
				{Query{Who: "root"}, "administered alice@example.test"},
				{Query{Who: "example.test", What: []string{"deletion"}}, "messages deleted bob@example.test"},
				{Query{What: []string{"failure", "change"}}, "authentication failed alice@example.test, administered alice@example.test"},
				{Query{Limit: 2}, "administered alice@example.test, messages deleted bob@example.test"},
				{Query{Until: began}, ""},
				{Query{Since: began.Add(time.Hour)}, ""},
				{Query{Who: "nobody@example.test"}, ""},
			} {
				entries, more, err := l.Search(t.Context(), tc.q)
				if got := names(entries); err != nil || got != tc.want || more != (tc.q.Limit == 2) {
					t.Errorf("round %d, %+v: %s, %v, %v; want %s", round, tc.q, got, more, err, tc.want)
				}
			}
			time.Sleep(2 * time.Second) // it is written now
		}
		l.Close(t.Context())
		l = New(Options{Engine: engine, Days: 2})
		entries, _, err := l.Search(t.Context(), Query{Who: "bob@example.test", What: []string{"deletion"}})
		if err != nil || len(entries) != 1 || entries[0].Messages != 12 || entries[0].Folder != "INBOX" || entries[0].Protocol != "pop3" {
			t.Errorf("after a restart: %+v, %v", entries, err)
		}
		time.Sleep(72 * time.Hour)
		if err := l.Forget(t.Context()); err != nil {
			t.Error(err)
		}
		if entries, _, err := l.Search(t.Context(), Query{}); err != nil || len(entries) > 0 {
			t.Errorf("after its days: %+v, %v", entries, err)
		}
	})
}

// The file has one line for each entry; each day's is put aside, and removed in time.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(dir, "audit.jsonl")
		l := New(Options{Engine: memkv.New(memkv.Options{}), Days: 2, File: path})
		for range 5 {
			fill(l)
			time.Sleep(24 * time.Hour)
		}
		l.Close(t.Context())
		var found []string
		files, _ := os.ReadDir(dir)
		for _, f := range files {
			text, _ := os.ReadFile(filepath.Join(dir, f.Name()))
			found = append(found, fmt.Sprint(f.Name(), " ", bytes.Count(text, []byte("\n"))))
			for line := range bytes.Lines(text) {
				var e Entry
				if err := json.Unmarshal(line, &e); err != nil || e.Event == "" {
					t.Errorf("line %q: %v", line, err)
				}
			}
		}
		if want := "[audit-2000-01-03.jsonl 5 audit-2000-01-04.jsonl 5 audit.jsonl 5]"; fmt.Sprint(found) != want {
			t.Errorf("files: %v, want %s", found, want)
		}
	})
}

// Syslog gets each entry, as RFC 5424 has it, as datagrams and as a stream.
func TestSyslog(t *testing.T) {
	check := func(t *testing.T, line string) {
		t.Helper()
		head, text, _ := strings.Cut(line, "{")
		if !strings.HasPrefix(head, "<86>1 20") || !strings.HasSuffix(head, fmt.Sprintf("Z mail.example.test posthorn %d audit - ", os.Getpid())) {
			t.Errorf("the head is %q", head)
		}
		var e Entry
		if err := json.Unmarshal([]byte("{"+text), &e); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	t.Run("udp", func(t *testing.T) {
		server, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		l := New(Options{Engine: memkv.New(memkv.Options{}), Days: 1, Syslog: "udp:" + server.LocalAddr().String(), Hostname: "mail.example.test"})
		fill(l)
		l.Close(t.Context())
		for range 5 {
			b := make([]byte, 2048)
			n, _, err := server.ReadFrom(b)
			if err != nil {
				t.Fatal(err)
			}
			check(t, string(b[:n]))
		}
	})
	t.Run("tcp", func(t *testing.T) {
		server, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		l := New(Options{Engine: memkv.New(memkv.Options{}), Days: 1, Syslog: "tcp:" + server.Addr().String(), Hostname: "mail.example.test"})
		fill(l)
		nc, err := server.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		l.Close(t.Context())
		r := bufio.NewReader(nc)
		for range 5 {
			var n int
			if _, err := fmt.Fscanf(r, "%d ", &n); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, n)
			if _, err := io.ReadFull(r, b); err != nil {
				t.Fatal(err)
			}
			check(t, string(b))
		}
	})
}

// An output that is broken holds nobody up, takes bounded memory, and gets the latest
// lines when it works again.
func TestBrokenOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &brokenOutput{}
		out.broken.Store(true)
		s := newSink("test", out, slog.New(slog.DiscardHandler))
		long := bytes.Repeat([]byte("x"), 1<<10)
		for range 8 << 10 {
			s.add(long, time.Now())
		}
		s.add([]byte("last"), time.Now())
		synctest.Wait()
		s.mu.Lock()
		if s.bytes > maxWaiting {
			t.Errorf("%d bytes wait", s.bytes)
		}
		s.mu.Unlock()
		out.broken.Store(false)
		time.Sleep(2 * again)
		s.close(t.Context())
		if n := len(out.lines); n < 4000 || n > 4100 || string(out.lines[n-1]) != "last" {
			t.Errorf("%d lines arrived", n)
		}
	})
}

type brokenOutput struct {
	broken atomic.Bool
	lines  [][]byte
}

func (o *brokenOutput) write(lines []line) (int, error) {
	if o.broken.Load() {
		return 0, io.ErrClosedPipe
	}
	for _, l := range lines {
		o.lines = append(o.lines, l.text)
	}
	return len(lines), nil
}

func (o *brokenOutput) close() error { return nil }
