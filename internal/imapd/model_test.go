package imapd

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestClientsAgree lets several clients work on one mailbox at random, in turns and
// all at once. Each keeps a list of messages from nothing but what it is told; when it
// asks in the end, the answer must agree with its list, and all lists with each other.
func TestClientsAgree(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWorld(t)
			for range 5 {
				w.deliver("alice", "INBOX", "Subject: x\r\n\r\ntext\r\n")
			}
			var clients []*listener
			for i := range 3 {
				clients = append(clients, newListener(t, w.imap.Dial(), fmt.Sprint("client ", i)))
			}
			work(clients, rand.New(rand.NewPCG(seed, 99)), seed%2 == 1)
			for _, c := range clients {
				c.settle()
			}
			for _, c := range clients[1:] {
				if got, want := c.String(), clients[0].String(); got != want {
					t.Errorf("%s knows\n%s, but %s\n%s", c.name, got, clients[0].name, want)
				}
			}
		})
	}
}

func work(clients []*listener, rng *rand.Rand, together bool) {
	const acts = 400
	if !together {
		for range acts {
			clients[rng.IntN(len(clients))].act(rng)
		}
		return
	}
	var wg sync.WaitGroup
	for _, c := range clients {
		own := rand.New(rand.NewPCG(rng.Uint64(), 1))
		wg.Go(func() {
			for range acts / len(clients) {
				c.act(own)
			}
		})
	}
	wg.Wait()
}

// settle compares what the client has been told with what it gets when it asks.
func (c *listener) settle() {
	c.do("NOOP")
	told := slices.Clone(c.list)
	c.do("UID FETCH 1:* (FLAGS)")
	for i, m := range c.list {
		if told[i].flags != "" && told[i] != (known{told[i].uid, m.flags}) {
			c.fail("message %d was told as %v, but is %v", i+1, told[i], m)
		}
	}
}

// known is what a client knows of a message; empty strings are what it does not know.
type known struct {
	uid, flags string
}

// listener is a client that believes what it is told.
type listener struct {
	t    *testing.T
	name string
	nc   net.Conn
	r    *bufio.Reader
	list []known
	said []string // the conversation, to be shown if something is wrong

	// In a FETCH of flags, by UID: how often the client hears of a message, and whether
	// that was not as it believed.
	heardOf   map[string]int
	surprised map[string]bool
}

func newListener(t *testing.T, nc net.Conn, name string) *listener {
	c := &listener{t: t, name: name, nc: nc, r: bufio.NewReader(nc)}
	t.Cleanup(func() { nc.Close() })
	c.do("LOGIN alice secret")
	c.do("SELECT INBOX")
	c.do("FETCH 1:* (UID FLAGS)")
	return c
}

func (c *listener) String() string {
	var b strings.Builder
	for i, m := range c.list {
		fmt.Fprintf(&b, "%d: %s %s\n", i+1, m.uid, m.flags)
	}
	return b.String()
}

// fail ends the client's work.
func (c *listener) fail(format string, args ...any) {
	c.t.Helper()
	c.t.Errorf("%s: %s\n%s", c.name, fmt.Sprintf(format, args...), strings.Join(c.said[max(0, len(c.said)-30):], "\n"))
	c.t.FailNow()
}

// act sends one command at random, among them such as change flags silently.
func (c *listener) act(rng *rand.Rand) {
	if len(c.list) == 0 || rng.IntN(10) == 0 {
		c.do("APPEND INBOX {3+}\r\nabc")
		return
	}
	first := 1 + rng.IntN(len(c.list))
	last := min(first+rng.IntN(4), len(c.list))
	set := fmt.Sprintf("%d:%d", first, last)
	flag := []string{`\Flagged`, `\Answered`, `\Deleted`, `$Work`, `\Seen`}[rng.IntN(5)]
	switch rng.IntN(12) {
	case 0:
		c.do("NOOP")
	case 1:
		c.do("FETCH " + set + " (UID FLAGS)")
	case 2:
		c.do("UID FETCH 1:* (FLAGS)")
	case 3:
		c.do("FETCH " + set + " (UID BODY[TEXT])")
	case 4:
		c.do("STORE " + set + " +FLAGS (" + flag + ")")
	case 5:
		c.do("STORE " + set + " -FLAGS (" + flag + ")")
	case 6, 7:
		c.silently(first, last, flag, func() { c.do("STORE " + set + " +FLAGS.SILENT (" + flag + ")") })
	case 8:
		c.do("SEARCH NOT " + set)
	case 9:
		if rng.IntN(3) == 0 {
			c.do("EXPUNGE")
		}
	case 10:
		c.do("COPY " + set + " INBOX")
	case 11:
		if uid := c.list[first-1].uid; uid != "" {
			c.do("UID MOVE " + uid + " INBOX")
		}
	}
}

// silently applies a change that the server will not tell, before the server does:
// what it tells meanwhile is newer.
func (c *listener) silently(first, last int, flag string, store func()) {
	for i := first - 1; i < last; i++ {
		if m := &c.list[i]; m.flags != "" && !slices.Contains(strings.Fields(m.flags), flag) {
			m.flags = canonical(m.flags + " " + flag)
		}
	}
	store()
}

var response = regexp.MustCompile(`^\* (\d+) (EXISTS|EXPUNGE|RECENT|FETCH \((.*)\))$`)

// do runs a command and takes in what is said. A message that is gone may make the
// command fail, nothing else may.
func (c *listener) do(command string) {
	c.t.Helper()
	c.said = append(c.said, "> "+command)
	fmt.Fprintf(c.nc, "x %s\r\n", command)
	c.heardOf, c.surprised = map[string]int{}, map[string]bool{}
	numbered := strings.HasPrefix(command, "FETCH") || strings.HasPrefix(command, "STORE") || strings.HasPrefix(command, "SEARCH")
	for {
		line := c.line()
		switch m := response.FindStringSubmatch(line); {
		case m != nil:
			n, _ := strconv.Atoi(m[1])
			c.heard(n, m[2], m[3], numbered)
		case strings.HasPrefix(line, "x OK"), strings.HasPrefix(line, "x NO [EXPUNGEISSUED]"):
			if strings.HasPrefix(command, "UID FETCH") {
				c.explained()
			}
			return
		case strings.HasPrefix(line, "x "):
			if command == "FETCH 1:* (UID FLAGS)" && len(c.list) == 0 {
				return
			}
			c.fail("%s", line)
		case strings.HasPrefix(line, "* SEARCH"):
			for _, n := range strings.Fields(line)[2:] {
				if n, _ := strconv.Atoi(n); n < 1 || n > len(c.list) {
					c.fail("found message %d of %d", n, len(c.list))
				}
			}
		}
	}
}

// line reads a response, literals in place.
func (c *listener) line() string {
	var all string
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.fail("%v", err)
		}
		all += line
		if at := strings.LastIndex(line, "{"); at < 0 || !strings.HasSuffix(line, "}\r\n") {
			break
		}
	}
	all = strings.ReplaceAll(strings.TrimSuffix(all, "\r\n"), "\r\n", " ")
	c.said = append(c.said, "< "+all)
	return all
}

var (
	uidItem   = regexp.MustCompile(`UID (\d+)`)
	flagsItem = regexp.MustCompile(`FLAGS \(([^)]*)\)`)
)

func (c *listener) heard(n int, what, items string, numbered bool) {
	c.t.Helper()
	switch what {
	case "RECENT":
		return
	case "EXISTS":
		if n < len(c.list) {
			c.fail("%d messages become %d without EXPUNGE", len(c.list), n)
		}
		c.list = append(c.list, make([]known, n-len(c.list))...)
		return
	}
	if n < 1 || n > len(c.list) {
		c.fail("message %d of %d: %s", n, len(c.list), what)
	}
	if what == "EXPUNGE" {
		if numbered {
			c.fail("EXPUNGE in a command with numbers")
		}
		c.list = slices.Delete(c.list, n-1, n)
		return
	}
	m := &c.list[n-1]
	if uid := uidItem.FindStringSubmatch(items); uid != nil {
		if m.uid != "" && m.uid != uid[1] {
			c.fail("message %d had UID %s, now %s", n, m.uid, uid[1])
		}
		m.uid = uid[1]
	}
	if flags := flagsItem.FindStringSubmatch(items); flags != nil {
		now := canonical(flags[1] + " .")
		c.heardOf[m.uid]++
		if m.flags != "" && m.flags != now {
			c.surprised[m.uid] = true
		}
		m.flags = now
	}
}

// explained reports a message that was not as the client had been told: had its change
// been told during the FETCH, the client would have heard of it twice.
func (c *listener) explained() {
	c.t.Helper()
	for uid := range c.surprised {
		if c.heardOf[uid] < 2 {
			c.fail("message with UID %s had other flags than the client was told of", uid)
		}
	}
}

// canonical sorts flags and leaves out \Recent, which differs between sessions.
func canonical(flags string) string {
	list := slices.DeleteFunc(strings.Fields(flags), func(f string) bool { return f == `\Recent` })
	slices.Sort(list)
	return strings.Join(list, " ")
}
