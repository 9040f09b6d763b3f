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
	"testing"
)

// known is what a client knows of a message; empty strings are what it does not know.
type known struct {
	uid, flags string
}

// dialect is how a client talks: what it enables changes what it is told.
type dialect struct {
	name  string
	setup []string // before SELECT

	condStore, qresync, uidOnly, rev2 bool
}

var dialects = []dialect{
	{name: "plain"},
	{name: "condstore", setup: []string{"ENABLE CONDSTORE"}, condStore: true},
	{name: "qresync", setup: []string{"ENABLE QRESYNC"}, condStore: true, qresync: true},
	{name: "rev2", setup: []string{"ENABLE IMAP4rev2"}, rev2: true},
	{name: "uidonly", setup: []string{"ENABLE UIDONLY"}, uidOnly: true},
	{
		name: "notified", condStore: true, qresync: true,
		setup: []string{"ENABLE QRESYNC", "NOTIFY SET (selected-delayed (MessageNew (UID FLAGS) MessageExpunge FlagChange))"},
	},
	{
		name: "everything", condStore: true, qresync: true, uidOnly: true, rev2: true,
		setup: []string{"ENABLE QRESYNC UIDONLY IMAP4rev2", "NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))"},
	},
}

// listener is a client that believes what it is told.
type listener struct {
	dialect
	t    *testing.T
	user string
	box  string // the mailbox that it has selected, and the other one, as this user names them
	away string
	dial func() net.Conn
	nc   net.Conn
	r    *bufio.Reader
	list []known
	said []string // the conversation, to be shown if something is wrong

	command     string // the one under way
	uidValidity string
	silent      string // a flag that is being stored silently

	// RFC 7162 §6: up to where the client knows all changes, and what has been said of
	// that during a command.
	modSeq, heardModSeq, toldModSeq int

	// In a FETCH of flags, by UID: how often the client hears of a message, and whether
	// that was not as it believed.
	heardOf   map[string]int
	surprised map[string]bool
}

// connect begins a session, with no mailbox selected.
func (c *listener) connect() {
	c.nc = c.dial()
	c.r = bufio.NewReader(c.nc)
	c.do("LOGIN " + c.user + " secret")
	for _, command := range c.setup {
		c.do(command)
	}
}

// begin selects the mailbox and learns what is there.
func (c *listener) begin() {
	c.connect()
	c.list = nil
	c.do("SELECT " + c.box)
	c.do("UID FETCH 1:* (FLAGS)")
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
	c.t.Errorf("%s: %s\n%s", c.name, fmt.Sprintf(format, args...), strings.Join(c.said[max(0, len(c.said)-60):], "\n"))
	c.t.FailNow()
}

// act sends one command at random, among them such as change flags silently.
func (c *listener) act(rng *rand.Rand) {
	if len(c.list) == 0 || rng.IntN(20) == 0 {
		c.do("APPEND " + c.box + " {3+}\r\nabc")
		return
	}
	first := rng.IntN(len(c.list))
	last := min(first+rng.IntN(4), len(c.list)-1)
	set := fmt.Sprintf("%d:%d", first+1, last+1)
	uid := ""
	if c.uidOnly || rng.IntN(2) == 0 {
		if c.list[first].uid == "" || c.list[last].uid == "" {
			c.do("UID FETCH 1:* (FLAGS)")
			return
		}
		uid, set = "UID ", c.list[first].uid+":"+c.list[last].uid
	}
	flag := []string{`\Flagged`, `\Answered`, `\Deleted`, `$Work`, `\Seen`}[rng.IntN(5)]
	to := []string{c.box, c.away, c.away}[rng.IntN(3)]
	switch rng.IntN(16) {
	case 0:
		c.do("NOOP")
	case 1:
		c.do(uid + "FETCH " + set + " (UID FLAGS)")
	case 2:
		c.do("UID FETCH 1:* (FLAGS)")
	case 3:
		c.do(uid + "FETCH " + set + " (UID BODY[TEXT])")
	case 4:
		c.do(uid + "STORE " + set + " +FLAGS (" + flag + ")")
	case 5:
		c.do(uid + "STORE " + set + " -FLAGS (" + flag + ")")
	case 6, 7:
		c.silently(first, last, flag, func() { c.do(uid + "STORE " + set + " +FLAGS.SILENT (" + flag + ")") })
	case 8:
		if uid == "" {
			c.do("SEARCH NOT " + set)
		}
	case 9:
		if rng.IntN(3) == 0 {
			c.do("EXPUNGE")
		}
	case 10:
		if rng.IntN(2) == 0 {
			c.do(uid + "COPY " + set + " " + to)
		}
	case 11:
		c.do(uid + "MOVE " + set + " " + to)
	case 12:
		if c.condStore {
			c.do(fmt.Sprintf("%sSTORE %s (UNCHANGEDSINCE %d) +FLAGS (%s)", uid, set, c.modSeq, flag))
		}
	case 13:
		if c.qresync && rng.IntN(2) == 0 {
			c.comeBack(rng)
		}
	case 14:
		c.do("IDLE")
	case 15:
		if c.qresync && c.complete() {
			c.cutOff(rng, []string{
				uid + "STORE " + set + " +FLAGS (" + flag + ")", uid + "MOVE " + set + " " + to,
				"EXPUNGE", "APPEND " + c.box + " {3+}\r\nabc", "UID FETCH 1:* (FLAGS)",
			}[rng.IntN(5)])
		}
	}
}

// silently stores a flag that the server does not tell. One that tells MODSEQs says
// when it is there; with others the client applies it before: what it is told
// meanwhile is newer.
func (c *listener) silently(first, last int, flag string, store func()) {
	if c.condStore {
		c.silent = flag
		store()
		c.silent = ""
		return
	}
	for i := first; i <= last; i++ {
		c.list[i].add(flag)
	}
	store()
}

func (m *known) add(flag string) {
	if m.flags != "" && !slices.Contains(strings.Fields(m.flags), flag) {
		m.flags = canonical(m.flags + " " + flag)
	}
}

var (
	response = regexp.MustCompile(`^\* (\d+) (EXISTS|EXPUNGE|RECENT|(?:UID)?FETCH \((.*)\))$`)
	validity = regexp.MustCompile(`^\* OK \[UIDVALIDITY (\d+)\]`)
	modSeqAt = regexp.MustCompile(`^(?:\*|x) OK \[HIGHESTMODSEQ (\d+)\]`)
)

// do runs a command and takes in what is said.
func (c *listener) do(command string) {
	c.t.Helper()
	c.send(command)
	for !c.take(c.line()) {
	}
}

func (c *listener) send(command string) {
	c.said = append(c.said, "> "+command)
	fmt.Fprintf(c.nc, "x %s\r\n", command)
	c.command = command
	c.heardOf, c.surprised = map[string]int{}, map[string]bool{}
}

// take takes a response in, and says whether it ends the command. A message that is gone
// may make the command fail, nothing else may.
func (c *listener) take(line string) (done bool) {
	c.t.Helper()
	numbered := strings.HasPrefix(c.command, "FETCH") || strings.HasPrefix(c.command, "STORE") || strings.HasPrefix(c.command, "SEARCH")
	if m := modSeqAt.FindStringSubmatch(line); m != nil {
		c.toldModSeq, _ = strconv.Atoi(m[1])
	}
	if m := validity.FindStringSubmatch(line); m != nil {
		c.uidValidity = m[1]
	}
	switch m := response.FindStringSubmatch(line); {
	case m != nil:
		n, _ := strconv.Atoi(m[1])
		c.heard(n, m[2], m[3], numbered)
	case strings.HasPrefix(line, "* VANISHED "):
		if numbered || !c.qresync && !c.uidOnly {
			c.fail("%s", line)
		}
		for _, uid := range uidsOf(strings.TrimPrefix(line, "* VANISHED ")) {
			c.forget(uid)
		}
	case strings.HasPrefix(line, "x OK"), strings.HasPrefix(line, "x NO [EXPUNGEISSUED]"), strings.HasPrefix(line, "x NO [MODIFIED"):
		if strings.HasPrefix(c.command, "UID FETCH 1:*") {
			c.explained()
		}
		c.endCommand()
		return true
	case strings.HasPrefix(line, "x "):
		c.fail("%s", line)
	case strings.HasPrefix(line, "+ "):
		fmt.Fprint(c.nc, "DONE\r\n")
	case strings.HasPrefix(line, "* SEARCH"):
		for _, n := range strings.Fields(line)[2:] {
			if n, _ := strconv.Atoi(n); n < 1 || n > len(c.list) {
				c.fail("found message %d of %d", n, len(c.list))
			}
		}
	}
	return false
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
	uidItem    = regexp.MustCompile(`UID (\d+)`)
	flagsItem  = regexp.MustCompile(`FLAGS \(([^)]*)\)`)
	modSeqItem = regexp.MustCompile(`MODSEQ \((\d+)\)`)
)

func (c *listener) heard(n int, what, items string, numbered bool) {
	c.t.Helper()
	switch what {
	case "RECENT":
		if c.rev2 {
			c.fail("IMAP4rev2 knows no RECENT")
		}
		return
	case "EXISTS":
		if n < len(c.list) {
			c.fail("%d messages become %d without EXPUNGE", len(c.list), n)
		}
		c.list = append(c.list, make([]known, n-len(c.list))...)
		return
	}
	if strings.HasPrefix(what, "UIDFETCH") != (c.uidOnly && what != "EXPUNGE") {
		c.fail("%d %s in this dialect", n, what)
	}
	if c.uidOnly {
		n = c.numberOf(strconv.Itoa(n))
	}
	if n < 1 || n > len(c.list) {
		c.fail("message %d of %d: %s", n, len(c.list), what)
	}
	if what == "EXPUNGE" {
		if numbered || c.qresync {
			c.fail("EXPUNGE in a command with numbers, or in this dialect")
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
	if modSeq := modSeqItem.FindStringSubmatch(items); modSeq != nil {
		now, _ := strconv.Atoi(modSeq[1])
		c.heardModSeq = max(c.heardModSeq, now)
	}
	if flags := flagsItem.FindStringSubmatch(items); flags != nil {
		now := canonical(flags[1] + " .")
		c.heardOf[m.uid]++
		answer := !c.condStore || !strings.Contains(items, "MODSEQ") // to a FETCH without it
		if answer && m.flags != "" && m.flags != now {
			c.surprised[m.uid] = true
		}
		m.flags = now
	} else if c.silent != "" && strings.Contains(items, "MODSEQ") {
		m.add(c.silent)
	}
}

// explained reports a message that was not as the client had been told: had its change
// been told during the FETCH, the client would have heard of it twice.
func (c *listener) explained() {
	c.t.Helper()
	for uid := range c.surprised {
		if c.heardOf[uid] < 2 || c.condStore {
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
