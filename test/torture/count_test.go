package torture

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// listing is what a mailbox says of itself.
type listing struct {
	validity, next uint32
	messages       []found
}

// found is a message in a mailbox.
type found struct {
	uid   uint32
	flags string
	token token
	text  string // the literal that was fetched
}

var (
	validityCode = regexp.MustCompile(`\[UIDVALIDITY (\d+)\]`)
	nextCode     = regexp.MustCompile(`\[UIDNEXT (\d+)\]`)
	uidItem      = regexp.MustCompile(`\bUID (\d+)`)
	flagsItem    = regexp.MustCompile(`\bFLAGS \(([^)]*)\)`)
)

// selected reads the answer to SELECT or EXAMINE.
func selected(untagged []string) (l listing) {
	for _, s := range untagged {
		for code, target := range map[*regexp.Regexp]*uint32{validityCode: &l.validity, nextCode: &l.next} {
			if m := code.FindStringSubmatch(s); m != nil {
				*target = number(m[1])
			}
		}
	}
	return l
}

func number(digits string) uint32 {
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// fetched reads the answers to FETCH.
func fetched(untagged []string) (all []found) {
	for _, s := range untagged {
		// Items before the literal and after it, so that the message's own text is not taken for them.
		head, literal, _ := strings.Cut(s, "}\r\n")
		tail := ""
		if open := strings.LastIndexByte(head, '{'); open >= 0 {
			n := int(number(strings.TrimSuffix(head[open+1:], "+")))
			literal, tail = literal[:min(n, len(literal))], literal[min(n, len(literal)):]
		}
		uid := uidItem.FindStringSubmatch(head + tail)
		if !strings.Contains(head, " FETCH (") || uid == nil {
			continue
		}
		f := found{uid: number(uid[1]), token: tokenIn(literal), text: literal}
		if flags := flagsItem.FindStringSubmatch(head + tail); flags != nil {
			f.flags = normal(flags[1])
		}
		all = append(all, f)
	}
	return all
}

// examine lists a mailbox.
func examine(c *client, name string) (listing, error) {
	untagged, _, err := c.imap("EXAMINE %s", name)
	if err != nil {
		return listing{}, err
	}
	l := selected(untagged)
	untagged, _, err = c.imap("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (X-Torture)])")
	l.messages = fetched(untagged)
	return l, err
}

// count compares what is there with what has been said.
func (w *world) count() error {
	inboxes := map[string]map[token]int{}
	for _, user := range append(append([]string{}, w.users...), w.poppers...) {
		c, err := w.dialIMAP(user)
		if err != nil {
			return err
		}
		inboxes[user], err = w.countMailbox(c, user, "INBOX")
		c.close()
		if err != nil {
			return err
		}
	}
	for _, p := range w.pops {
		p.settle(w.ledger, inboxes[p.user])
	}
	w.countDeliveries(inboxes)
	for _, e := range w.editors {
		if err := w.countEditor(e); err != nil {
			return err
		}
	}
	return nil
}

// countMailbox looks at one mailbox: UIDs, and messages that were not proven yet.
func (w *world) countMailbox(c *client, user, name string) (there map[token]int, err error) {
	l, err := examine(c, name)
	if err != nil {
		return nil, err
	}
	p := place{user, name, l.validity}
	if highest := w.ledger.highest(p); l.next <= highest {
		w.ledger.problem("%s/%s: UIDNEXT is %d, and UID %d has been given out", user, name, l.next, highest)
	}
	there = map[token]int{}
	last := uint32(0)
	var unproven []string
	for _, m := range l.messages {
		if m.uid <= last || m.uid >= l.next {
			w.ledger.problem("%s/%s: UID %d follows %d, with UIDNEXT %d", user, name, m.uid, last, l.next)
		}
		last = m.uid
		there[m.token]++
		w.ledger.uid(p, m.uid, m.token)
		if key := fmt.Sprint(p, m.uid); !w.proven[key] {
			w.proven[key] = true
			unproven = append(unproven, strconv.FormatUint(uint64(m.uid), 10))
		}
	}
	for len(unproven) > 0 {
		n := min(len(unproven), 50)
		untagged, _, err := c.imap("UID FETCH %s (BODY.PEEK[])", strings.Join(unproven[:n], ","))
		if err != nil {
			return nil, err
		}
		bodies := fetched(untagged)
		if len(bodies) != n {
			w.ledger.problem("%s/%s: %d of %d messages could be fetched", user, name, len(bodies), n)
		}
		for _, m := range bodies {
			if !intact(m.text) {
				w.ledger.problem("%s/%s: UID %d, %s: the message is not whole", user, name, m.uid, tokenIn(m.text))
			}
		}
		unproven = unproven[n:]
	}
	return there, nil
}

// countDeliveries settles every message that was ever sent.
func (w *world) countDeliveries(inboxes map[string]map[token]int) {
	deleted := map[string]map[token]bool{}
	for _, p := range w.pops {
		deleted[p.user] = p.deleted
	}
	l := w.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	for tok, d := range l.sent {
		have := 0
		for _, user := range d.to {
			n := inboxes[user][tok]
			gone := deleted[user][tok]
			switch {
			case n > 1:
				l.note("%s: %s is there %d times", user, tok, n)
			case gone && n > 0:
				l.note("%s: %s was deleted, and is there again", user, tok)
			case !gone && n == 0 && d.acked[user]:
				l.note("%s: %s was acknowledged, and is missing", user, tok)
			case !gone && n == 0 && l.seen[user][tok]:
				l.note("%s: %s was shown to a client, and is missing", user, tok)
			}
			if gone || n > 0 {
				have++
			}
		}
		if d.doubt && d.whole && have != 0 && have != len(d.to) {
			l.note("%s: delivered to %d of %d recipients", tok, have, len(d.to))
		}
		for _, user := range d.to { // the doubt is over: from now on this binds
			d.acked[user] = deleted[user][tok] || inboxes[user][tok] > 0
		}
		d.doubt = false
	}
	for user, there := range inboxes {
		for tok := range there {
			if l.sent[tok] == nil {
				l.note("%s: %q is there, and nobody sent it", user, tok)
			}
		}
	}
}

// countEditor compares an editor's mailboxes with its books.
func (w *world) countEditor(e *editor) error {
	c, err := w.dialIMAP(e.user)
	if err != nil {
		return err
	}
	defer c.close()
	now := books{map[token]string{}, map[token]string{}}
	for name, into := range map[string]map[token]string{e.work: now.work, e.copies: now.copies} {
		if _, _, err := c.imap("STATUS %s (MESSAGES)", name); err != nil {
			continue // killed before it was made
		}
		there, err := w.countMailbox(c, e.user, name)
		if err != nil {
			return err
		}
		l, err := examine(c, name)
		if err != nil {
			return err
		}
		for _, m := range l.messages {
			into[m.token] = m.flags
			if there[m.token] > 1 {
				w.ledger.problem("%s/%s: %s is there %d times", e.user, name, m.token, there[m.token])
			}
		}
	}
	e.settle(w.ledger, now)
	return nil
}
