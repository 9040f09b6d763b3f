package imapd

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestFetchBatches fetches far more than one batch, of small messages and of large
// ones in between: each comes once, whole, and in order.
func TestFetchBatches(t *testing.T) {
	w := newWorld(t)
	var texts []string
	for i := range 400 {
		text := fmt.Sprintf("Subject: message %d\r\n\r\n%s\r\n", i+1, strings.Repeat("x", 2000))
		if i%50 == 49 {
			text += strings.Repeat("a line of a long message\r\n", 4000)
		}
		texts = append(texts, text)
		if err := w.deliver("alice", "INBOX", text); err != nil {
			t.Fatal(err)
		}
	}
	client := w.imap.Dial()
	defer client.Close()
	fmt.Fprintf(client, "a LOGIN alice secret\r\nb EXAMINE INBOX\r\nc FETCH 1:* (UID BODY.PEEK[])\r\nd UID FETCH 1:300,301:* (ENVELOPE)\r\n")
	r := bufio.NewReader(client)
	skipTo(t, r, "b OK")
	for i, text := range texts {
		want := fmt.Sprintf("* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n", i+1, i+1, len(text), text)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
			t.Fatalf("message %d: %v\n%.100q", i+1, err, got)
		}
	}
	skipTo(t, r, "c OK")
	for i := range texts {
		line, err := r.ReadString('\n')
		if want := fmt.Sprintf("* %d FETCH (UID %d ENVELOPE (NIL \"message %d\" ", i+1, i+1, i+1); !strings.HasPrefix(line, want) {
			t.Fatalf("got %q, %v, want %q", line, err, want)
		}
	}
	skipTo(t, r, "d OK")
}

func skipTo(t *testing.T, r *bufio.Reader, prefix string) {
	t.Helper()
	for line := ""; !strings.HasPrefix(line, prefix); {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
}
