package imapd

import (
	"bytes"
	"compress/flate"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/store"

	"golang.org/x/tools/txtar"
)

// FuzzSession sends bytes to a server whose mailboxes are not empty: it never panics,
// never hangs, takes memory in proportion to what was said, and the store is sound
// afterwards. Seeds are what transcripts say, in each of the states that a session can
// be in.
func FuzzSession(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatal("no transcripts", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var said strings.Builder
		for line := range strings.Lines(string(archive.Comment)) {
			if text, ok := strings.CutPrefix(line, "1> "); ok {
				said.WriteString(strings.ReplaceAll(strings.TrimSpace(text), "{{letter+}}", "{3+}\r\na\nb") + "\r\n")
			}
		}
		for state := range fuzzStates {
			f.Add(said.String(), uint8(state))
		}
	}
	f.Fuzz(func(t *testing.T, said string, state uint8) {
		synctest.Test(t, func(t *testing.T) { fuzzSession(t, said, int(state)%len(fuzzStates)) })
	})
}

const fuzzMail = "From: a@b\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\na\r\n--y\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n\r\nc\r\n--y--\r\n"

// fuzzStates are what is said before the fuzzed input. After the last two it is
// compressed, or meant to be.
var fuzzStates = [...]string{
	"x LOGIN alice secret\r\nx SELECT INBOX\r\n",
	"x LOGIN alice secret\r\n",
	"",
	"x LOGIN alice secret\r\nx SELECT INBOX\r\nx COMPRESS DEFLATE\r\n",
	"x LOGIN alice secret\r\nx COMPRESS DEFLATE\r\n",
}

const fuzzDeflated = 3

// fuzzInput is all that the client sends.
func fuzzInput(said string, state int) []byte {
	input := []byte(fuzzStates[state] + said)
	if state == fuzzDeflated {
		var b bytes.Buffer
		b.WriteString(fuzzStates[state])
		w, _ := flate.NewWriter(&b, flate.BestSpeed)
		w.Write([]byte(said))
		w.Flush()
		input = b.Bytes()
	}
	return input
}

func fuzzSession(t *testing.T, said string, state int) {
	w := newWorld(t)
	for range 3 {
		if err := w.deliver("alice", "INBOX", fuzzMail); err != nil {
			t.Fatal(err)
		}
	}
	before := allocated()
	client := w.imap.Dial()
	defer client.Close()
	go func() {
		client.Write(fuzzInput(said, state))
		client.(interface{ CloseWrite() error }).CloseWrite()
	}()
	client.SetReadDeadline(time.Now().Add(time.Hour))
	total := 0
	buf := make([]byte, 32<<10)
	for {
		n, err := client.Read(buf)
		if total += n; err != nil {
			if os.IsTimeout(err) {
				t.Error("the session hangs")
			}
			break
		}
	}
	if limit := 1<<20 + 10_000*len(said); total > limit {
		t.Errorf("%d bytes of input were answered with %d", len(said), total)
	}
	// All that was ever allocated: more than what was held at any time.
	if n, limit := allocated()-before, uint64(8<<20+10_000*len(said)); n > limit {
		t.Errorf("%d bytes of input took %d bytes of memory", len(said), n)
	}
	if n := w.imap.Stats().Panics; n > 0 {
		t.Errorf("the session panicked")
	}
	_, err := w.store.Verify(t.Context(), func(p store.Problem) { t.Error(p) })
	if err != nil {
		t.Error(err)
	}
}

// allocated is what the process has allocated since it began.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
