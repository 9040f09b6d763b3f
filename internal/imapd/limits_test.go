package imapd

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/imapclient"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// What a client may say before it has logged in, and how deep SEARCH may nest, is told
// by testdata/limits.txtar; that no bytes of a stored message break FETCH by FuzzFetch,
// and damaged records by testdata/damage.txtar.

// TestStalledFetch: a client that asks for 10 GB and reads nothing holds no lock and
// little memory, and is dropped when it has not read for as long as a write may take.
func TestStalledFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages, size = 2000, 5 << 20
		w := newWorld(t)
		w.deliverTimes(t, messages, "Subject: large\r\n\r\n"+strings.Repeat(strings.Repeat("x", 1022)+"\r\n", size>>10))
		other := client(t, w.imap.Dial(), imapclient.Options{Security: imapclient.Plain})
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(other.Login(t.Context(), "alice", "secret"))
		_, err := other.Select(t.Context(), imapwire.Inbox, false, imapwire.SelectOptions{})
		must(err)

		before, _ := inUse()
		stalled := w.imap.Dial()
		defer stalled.Close()
		fmt.Fprintf(stalled, "x LOGIN alice secret\r\nx SELECT INBOX\r\nx FETCH 1:* BODY.PEEK[]\r\n")
		synctest.Wait()
		if after, _ := inUse(); after > before+2<<20 {
			t.Errorf("a client that does not read holds %d KiB", (after-before)>>10)
		}
		begun := time.Now()
		must(other.Store(t.Context(), only(1, 2, 3), imapwire.StoreOptions{Op: imapwire.StoreAdd, Flags: []string{`\Deleted`}, Silent: true}))
		must(other.Expunge(t.Context(), only(1, 2, 3)))
		must(w.deliver("alice", "INBOX", "Subject: new\r\n\r\n"))
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("others had to wait for %v", waited)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := w.imap.Stats().Open; n != 2 {
			t.Errorf("after a minute there are %d connections, want 2", n)
		}
		time.Sleep(90 * time.Second)
		synctest.Wait()
		if n := w.imap.Stats().Open; n != 1 {
			t.Errorf("after the time of a write there are %d connections, want 1", n)
		}
		must(other.Noop(t.Context()))
	})
}

// deliverTimes puts a message into alice's INBOX so many times. A large body is one blob.
func (w *world) deliverTimes(t *testing.T, times int, text string) {
	t.Helper()
	in := w.store.NewIncoming(t.Context())
	io.WriteString(in, text)
	m, err := in.Finish()
	if err != nil {
		t.Fatal(err)
	}
	err = w.account("alice").Update(t.Context(), func(tx *store.Tx) error {
		for range times {
			if _, err := tx.Append(store.InboxID, m, store.AppendOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDeep: what messages say of each other and of themselves may be as deep as it likes.
// A thread is told whole, and a structure as far as anybody can read it.
func TestDeep(t *testing.T) {
	w := newWorld(t)
	const levels = 1500
	for i := range levels { // each has two replies, of which one has two replies …
		w.deliver("alice", "INBOX", fmt.Sprintf("Message-ID: <%d@x>\r\nIn-Reply-To: <%d@x>\r\nSubject: x\r\n\r\n", i, i-1))
		w.deliver("alice", "INBOX", fmt.Sprintf("Message-ID: <%d.b@x>\r\nIn-Reply-To: <%d@x>\r\nSubject: x\r\n\r\n", i, i-1))
	}
	deep, end := "", ""
	for i := range 2000 {
		deep += fmt.Sprintf("Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\nContent-Type: message/rfc822\r\n\r\n", i, i)
		end = fmt.Sprintf("--%d--\r\n", i) + end
	}
	w.deliver("alice", "Archive", deep+"\r\ntext\r\n"+end)
	nc := w.imap.Dial()
	defer nc.Close()
	fmt.Fprintf(nc, "a LOGIN alice secret\r\nb SELECT INBOX\r\nc THREAD REFERENCES UTF-8 ALL\r\nd SELECT Archive\r\ne FETCH 1 (ENVELOPE BODYSTRUCTURE)\r\n")
	r := bufio.NewReader(nc)
	depths := map[string]int{}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "* THREAD") || strings.HasPrefix(line, "* 1 FETCH") {
			depths[strings.Fields(line)[1]] = nesting(t, line)
		}
		if strings.HasPrefix(line, "e ") {
			if !strings.HasPrefix(line, "e OK") {
				t.Error(line)
			}
			break
		}
	}
	if n := depths["THREAD"]; n < levels {
		t.Errorf("a thread of %d levels is told as one of %d", levels, n)
	}
	if n := depths["1"]; n < 50 || n > 400 {
		t.Errorf("a structure of 4,000 levels is told with parentheses %d deep", n)
	}
}

// nesting is how deep parentheses nest in a line, in which all must be closed.
func nesting(t *testing.T, line string) (deepest int) {
	depth := 0
	for _, c := range line {
		switch c {
		case '(':
			depth++
			deepest = max(deepest, depth)
		case ')':
			depth--
		}
	}
	if depth != 0 {
		t.Errorf("%d parentheses are not closed", depth)
	}
	return deepest
}
