package imapd

import (
	"bufio"
	"fmt"
	"slices"
	"sync"
	"testing"

	"posthorn/internal/obs"
	"posthorn/internal/wire"
)

// trail keeps what it is told.
type trail struct {
	mu   sync.Mutex
	told []string
}

func (t *trail) Record(e *obs.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told = append(t.told, fmt.Sprintf("%s: %s %d in %s", e.User, e.Kind, e.Count, e.Folder))
}

// What takes mail away from somebody is told, whatever command it was; what only moves it
// within his account is not.
func TestDeletionIsTold(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		if err := w.deliver("alice", "INBOX", "Subject: x\r\n\r\ntext\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	var told trail
	server := w.listen(Options{Gate: w.users.gate(true), Recorder: &told}, wire.Options{})
	for _, tc := range []struct {
		user     string
		commands []string
		want     []string
	}{
		{"alice", []string{
			"SELECT INBOX", "SETACL INBOX bob lrste", "MOVE 1 Archive", "COPY 1 Trash", `STORE 1 +FLAGS (\Deleted)`, "EXPUNGE",
			"REPLACE 1 INBOX {17+}\r\nSubject: y\r\n\r\nx\r\n", "CREATE x", "DELETE x",
		}, []string{
			"alice@example.test: messages deleted 1 in INBOX", "alice@example.test: messages deleted 1 in INBOX", "alice@example.test: mailbox deleted 0 in x",
		}},
		{"bob", []string{
			`SELECT "Other Users/alice@example.test/INBOX"`, "COPY 1 INBOX", "MOVE 1:2 INBOX", "MOVE 77 INBOX",
		}, []string{"bob@example.test: messages deleted 2 in Other Users/alice@example.test/INBOX"}},
	} {
		told.told = nil
		c := server.Dial()
		defer c.Close()
		r := bufio.NewReader(c)
		for _, command := range append([]string{"LOGIN " + tc.user + " secret"}, tc.commands...) {
			fmt.Fprintf(c, "a %s\r\n", command)
			skipTo(t, r, "a ")
		}
		if !slices.Equal(told.told, tc.want) {
			t.Errorf("%s: told %q, want %q", tc.user, told.told, tc.want)
		}
	}
}
