package imapd

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// endCommand notes up to where the client knows all changes (RFC 7162 §6). Where
// messages have no numbers, their order is that of their UIDs.
func (c *listener) endCommand() {
	if c.uidOnly {
		slices.SortStableFunc(c.list, byUID)
	}
	switch {
	case c.toldModSeq > 0:
		c.modSeq = c.toldModSeq
	default:
		c.modSeq = max(c.modSeq, c.heardModSeq)
	}
	c.toldModSeq, c.heardModSeq = 0, 0
}

// byUID puts what has no UID yet last.
func byUID(a, b known) int {
	if a.uid == "" || b.uid == "" {
		return len(b.uid) - len(a.uid)
	}
	return cmp.Or(len(a.uid)-len(b.uid), strings.Compare(a.uid, b.uid))
}

// uidsOf spells a set of UIDs out.
func uidsOf(set string) (uids []string) {
	for part := range strings.SplitSeq(set, ",") {
		first, last, isRange := strings.Cut(part, ":")
		if !isRange {
			last = first
		}
		from, _ := strconv.Atoi(first)
		to, _ := strconv.Atoi(last)
		for u := from; u <= to; u++ {
			uids = append(uids, strconv.Itoa(u))
		}
	}
	return uids
}

// numberOf finds the message with a UID: if it is not known yet, it is one of those of
// which no UID is known, and fits in there. 0 if there is none.
func (c *listener) numberOf(uid string) int {
	if i := slices.IndexFunc(c.list, func(m known) bool { return m.uid == uid }); i >= 0 {
		return i + 1
	}
	if c.uidOnly {
		i := slices.IndexFunc(c.list, func(m known) bool { return m.uid == "" })
		if i >= 0 {
			c.list[i].uid = uid
		}
		return i + 1
	}
	u, _ := strconv.Atoi(uid)
	unknown := 0
	for i, m := range c.list {
		if m.uid == "" {
			unknown = i + 1
			continue
		}
		if has, _ := strconv.Atoi(m.uid); has > u {
			break
		}
		unknown = 0
	}
	if unknown > 0 {
		c.list[unknown-1].uid = uid
	}
	return unknown
}

// forget takes a message off the list.
func (c *listener) forget(uid string) {
	c.t.Helper()
	n := c.numberOf(uid)
	if n == 0 {
		c.fail("UID %s has vanished, which was not there", uid)
	}
	c.list = slices.Delete(c.list, n-1, n)
}

// comeBack loses the connection and resynchronises: what the client remembers and what
// it is told then must be all that there is (RFC 7162 §3.2.5).
func (c *listener) comeBack(rng *rand.Rand) {
	c.t.Helper()
	if !c.complete() {
		c.do("UID FETCH 1:* (FLAGS)") // it has not finished with the last time yet
		return
	}
	c.nc.Close()
	c.resync(rng)
}

// complete reports whether the client knows UID and flags of every message.
func (c *listener) complete() bool {
	return !slices.ContainsFunc(c.list, func(m known) bool { return m.uid == "" || m.flags == "" })
}

// cutOff loses the connection while a command is answered. The client keeps what it has
// heard, but knows that this need not be everything.
func (c *listener) cutOff(rng *rand.Rand, command string) {
	c.t.Helper()
	before := c.modSeq
	c.send(command)
	for range rng.IntN(4) {
		if c.take(c.line()) {
			break
		}
	}
	c.said = append(c.said, "cut off")
	c.nc.Close()
	c.toldModSeq, c.heardModSeq, c.modSeq = 0, 0, before
	c.list = slices.DeleteFunc(c.list, func(m known) bool { return m.uid == "" || m.flags == "" })
	c.resync(rng)
}

// resync begins a session with what the client remembers.
func (c *listener) resync(rng *rand.Rand) {
	c.t.Helper()
	had := len(c.list)
	cached := map[string]string{}
	uids, match := "", ""
	for i, m := range c.list {
		cached[m.uid] = m.flags
		uids += "," + m.uid
		if i == had/2 {
			match = fmt.Sprintf(" (%d %s)", i+1, m.uid)
		}
	}
	options := ""
	if had > 0 && rng.IntN(2) == 0 {
		options = " " + uids[1:]
		if rng.IntN(2) == 0 {
			options += match
		}
	}
	c.connect()
	command := fmt.Sprintf("SELECT %s (QRESYNC (%s %d%s))", c.box, c.uidValidity, c.modSeq, options)
	c.said = append(c.said, "> "+command)
	fmt.Fprintf(c.nc, "x %s\r\n", command)
	exists, fresh := -1, false
	for {
		line := c.line()
		if m := modSeqAt.FindStringSubmatch(line); m != nil {
			c.toldModSeq, _ = strconv.Atoi(m[1])
		}
		if vanished, ok := strings.CutPrefix(line, "* VANISHED (EARLIER) "); ok {
			for _, uid := range uidsOf(vanished) {
				delete(cached, uid)
			}
		}
		// What others do meanwhile is told, too.
		if vanished, ok := strings.CutPrefix(line, "* VANISHED "); ok && !strings.Contains(line, "EARLIER") {
			for _, uid := range uidsOf(vanished) {
				delete(cached, uid)
				exists--
			}
		}
		if m := response.FindStringSubmatch(line); m != nil && m[2] == "EXISTS" {
			n, _ := strconv.Atoi(m[1])
			fresh = fresh || exists >= 0 && n > exists
			exists = n
		} else if m != nil && m[3] != "" {
			uid := m[1]
			if !c.uidOnly {
				uid = uidItem.FindStringSubmatch(m[3])[1]
			}
			cached[uid] = canonical(flagsItem.FindStringSubmatch(m[3])[1] + " .")
		}
		if strings.HasPrefix(line, "x ") {
			if !strings.HasPrefix(line, "x OK") {
				c.fail("%s", line)
			}
			break
		}
	}
	c.endCommand()
	before := c.list
	c.list = nil
	for uid, flags := range cached {
		// Where only known UIDs were asked for, what is heard of others leaves gaps.
		if options != "" && !slices.ContainsFunc(before, func(m known) bool { return m.uid == uid }) {
			continue
		}
		c.list = append(c.list, known{uid, flags})
	}
	slices.SortFunc(c.list, byUID)
	// Without known UIDs everything new is told, too; with them, what is not in the list
	// is new and comes after it.
	if len(c.list) > exists || options == "" && len(c.list) < exists && !fresh {
		c.fail("there are %d messages, the client counts %d", exists, len(c.list))
	}
	c.list = append(c.list, make([]known, exists-len(c.list))...)
	c.do("UID FETCH 1:* (FLAGS)")
}
