package pop3d

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"posthorn/internal/fault"
	"posthorn/internal/obs"
	"posthorn/internal/transcript"
)

func TestTranscripts(t *testing.T) {
	transcript.Run(t, "testdata/*.txtar", func(t *testing.T) transcript.Options {
		h := newHouse(t)
		return transcript.Options{Dial: h.dial, Commands: h.commands()}
	})
}

// Every kind of fault has a reply, and none of them repeats what the error says.
func TestFailure(t *testing.T) {
	seen := map[reply]fault.Kind{}
	for _, kind := range fault.Kinds() {
		r := failure(fault.New(kind, "pebble: /var/lib/secret: %w", errors.New("errno 28")))
		if !strings.HasPrefix(string(r), "-ERR ") || len(r) > 510 {
			t.Errorf("%v: %q", kind, r)
		}
		if chinese.in(r) == r {
			t.Errorf("%v: not in Chinese: %q", kind, r)
		}
		for _, leak := range []string{"pebble", "secret", "errno"} {
			if strings.Contains(string(r), leak) {
				t.Errorf("%v: %q", kind, r)
			}
		}
		if other, ok := seen[r]; ok && kind != fault.Exists && other != fault.Internal {
			t.Errorf("%v and %v have the same reply", kind, other)
		}
		seen[r] = kind
	}
	if got := failure(errors.New("unclassified")); !strings.HasPrefix(string(got), "-ERR [SYS/TEMP]") {
		t.Errorf("an unclassified error: %q", got)
	}
}

// client is a POP3 client that believes what it is told.
type client struct {
	t  testing.TB
	nc net.Conn
	r  *bufio.Reader
}

func (h *house) login(server, user string) *client {
	nc := h.dial(server)
	c := &client{h.t, nc, bufio.NewReader(nc)}
	h.t.Cleanup(func() { nc.Close() })
	c.status()
	c.cmd("USER " + user)
	c.cmd("PASS open sesame")
	return c
}

func (c *client) status() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "+OK") || !strings.HasSuffix(line, "\r\n") {
		c.t.Fatalf("got %q, %v", line, err)
	}
	return line
}

func (c *client) cmd(command string) string {
	c.t.Helper()
	io.WriteString(c.nc, command+"\r\n")
	return c.status()
}

// lines reads the rest of a multi-line response to the letter of RFC 1939 §3.
func (c *client) lines() []byte {
	c.t.Helper()
	var text []byte
	for start := 0; ; {
		b, err := c.r.ReadByte()
		if err != nil {
			c.t.Fatal(err)
		}
		text = append(text, b)
		if !bytes.HasSuffix(text, []byte("\r\n")) {
			continue
		}
		line := text[start:]
		if string(line) == ".\r\n" {
			return text[:start]
		}
		if line[0] == '.' {
			text = append(text[:start], line[1:]...)
		}
		start = len(text)
	}
}

// bodies are messages with dots, ends and sizes where they may go wrong.
func bodies() []string {
	chunk := 64 << 10
	return []string{
		"", ".", "..", "\r\n", ".\r\n", ".\r\n.\r\n", "a", "a\r", "a\r\n.", "a\r\n.\r\n", "a\r\n..\r\nb",
		"Subject: x\r\n\r\n.\r\n..\r\n...\r\n .\r\n",
		"Subject: header only\r\n", "Subject: header only", "Subject: x\r\n\r\n", "a\r\n\r\n\x00.\r\n\x00\x00",
		"Subject: long\r\n\r\n" + strings.Repeat("long ", 100_000) + "\r\nend\r\n",
		strings.Repeat("x", 20_000) + "\r\n." + strings.Repeat("y", 20_000),
		strings.Repeat(".\r\n", 30_000), // not inline
		strings.Repeat("z", chunk-2) + "\r\n.end",
		strings.Repeat("z", chunk-1) + "\r\n.end",
		strings.Repeat("z", chunk) + ".\r\n.end",
		"A: b\r\n\r\n" + strings.Repeat("0123456789012345678901234567890123456789\r\n.\r\n", 5_000),
	}
}

// sent is what is sent of a message: it has an end, and so has its header.
func sent(message string) string {
	if message != "" && !strings.HasSuffix(message, "\r\n") {
		message += "\r\n"
	}
	if !strings.Contains("\r\n"+message, "\r\n\r\n") {
		message += "\r\n"
	}
	return strings.ReplaceAll(message, "\x00", "\x80")
}

// What RETR and TOP send is the message to the byte, but for an end that is missing.
func TestByteExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		all := bodies()
		h.must(h.deliver("alice", all...))
		c := h.login("plain", "alice")
		for i := range all { // in order, as clients do
			c.cmd(fmt.Sprintf("RETR %d", i+1))
			if got := string(c.lines()); got != sent(all[i]) {
				t.Errorf("RETR of %.40q, in order: %d bytes, %.40q", all[i], len(got), got)
			}
		}
		for i, want := range all {
			want = sent(want)
			c.cmd(fmt.Sprintf("RETR %d", i+1))
			if got := string(c.lines()); got != want {
				t.Errorf("RETR of %.40q: %d bytes, %.40q", all[i], len(got), got)
			}
			for _, n := range []int{0, 1, 2, 1000, 1 << 40} {
				c.cmd(fmt.Sprintf("TOP %d %d", i+1, n))
				if got, want := string(c.lines()), topOf(want, n); got != want {
					t.Errorf("TOP %d of %.40q: %d bytes, %.40q", n, all[i], len(got), got)
				}
			}
		}
	})
}

// topOf is the naive model of TOP.
func topOf(message string, n int) string {
	header, body, ok := strings.Cut("\r\n"+message, "\r\n\r\n")
	if !ok {
		return message
	}
	top := header + "\r\n\r\n"
	for line := range strings.Lines(body) {
		if n--; n < 0 {
			break
		}
		top += line
	}
	return top[2:]
}

// However a message is cut into pieces, the dots come out the same, and a client
// gets back what was in it.
func FuzzMultiline(f *testing.F) {
	for _, b := range bodies() {
		f.Add([]byte(b[:min(len(b), 1000)]), uint(3), int64(1))
	}
	f.Fuzz(func(t *testing.T, message []byte, piece uint, lines int64) {
		show := func(step int, through func(m *multiline) io.Writer) string {
			var out bytes.Buffer
			m := &multiline{to: &out, octets: -1}
			w := through(m)
			for rest := message; len(rest) > 0; {
				n := min(step, len(rest))
				if _, err := w.Write(rest[:n]); err != nil {
					break
				}
				rest = rest[n:]
			}
			m.end()
			c := &client{t: t, r: bufio.NewReader(&out)}
			c.status()
			text := string(c.lines())
			if c.r.Buffered() > 0 || out.Len() > 0 {
				t.Fatalf("%q ends too early", message)
			}
			return text
		}
		step := int(piece%64) + 1
		all := func(m *multiline) io.Writer { return m }
		if a, b := show(step, all), show(1<<20, all); a != b {
			t.Fatalf("RETR in pieces of %d: %q, at once %q", step, a, b)
		} else if want := sent(string(message)); !bareLF(want) && a != want {
			t.Fatalf("RETR of %q: %q", message, a)
		}
		top := func(m *multiline) io.Writer { return &topLines{to: m, left: max(lines, 0)} }
		if a, b := show(step, top), show(1<<20, top); a != b {
			t.Fatalf("TOP %d in pieces of %d: %q, at once %q", lines, step, a, b)
		}
	})
}

// bareLF reports whether a message has LF without CR: dots after it are doubled, and
// a line between two of them is empty.
func bareLF(message string) bool {
	return strings.Contains(strings.ReplaceAll(message, "\r\n", ""), "\n")
}

// Whatever a client sends, the server answers or hangs up, and lets go.
func FuzzServer(f *testing.F) {
	for _, s := range []string{
		"USER alice\r\nPASS open sesame\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 1 0\r\nDELE 1\r\nRSET\r\nQUIT\r\n",
		"AUTH PLAIN\r\nAGFsaWNlAG9wZW4gc2VzYW1l\r\nLIST 1\r\nNOOP\r\n",
		"AUTH LOGIN YWxpY2U=\r\nb3BlbiBzZXNhbWU=\r\nRETR 1\nTOP 1 1\n",
		"CAPA\r\nSTLS\r\n\x16\x03\x01garbage",
		"\x00\r\r\n\n\n" + strings.Repeat("x", 3000) + "\r\nQUIT\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			h.must(h.deliver("alice", "Subject: x\r\n\r\n.\r\nbody"))
			nc := h.dial("plain")
			go func() {
				nc.Write(input)
				nc.(interface{ CloseWrite() error }).CloseWrite()
			}()
			output, _ := io.ReadAll(nc)
			if !bytes.HasPrefix(output, []byte("+OK ")) {
				t.Fatalf("no greeting: %q", output)
			}
			synctest.Wait()
			if s := h.server("plain").Stats(); s.Panics > 0 || s.Open > 0 {
				t.Fatalf("stats: %+v", s)
			}
			h.login("plain", "alice") // nobody holds the lock
		})
	})
}

// trail keeps what it is told.
type trail []obs.Event

func (t *trail) Record(e *obs.Event) { *t = append(*t, *e) }

// What a client deletes is told, with who, what and how much; what it does not, is not.
func TestDeletionIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.must(h.deliver("alice", bodies()...))
		var told trail
		h.told = &told
		for _, commands := range [][]string{{"DELE 1", "DELE 3", "QUIT"}, {"DELE 1", "RSET", "QUIT"}, {"DELE 2"}} {
			c := h.login("plain", "alice")
			for _, command := range commands {
				c.cmd(command)
			}
			c.nc.Close()
			synctest.Wait()
		}
		if len(told) != 1 || told[0].Kind != obs.Expunged || told[0].User != "alice@example.test" || told[0].Folder != "INBOX" || told[0].Count != 2 {
			t.Errorf("told: %+v", told)
		}
	})
}
