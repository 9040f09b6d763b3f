package torture

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// editor is an IMAP client with two mailboxes that nobody else changes. It knows
// what they must look like, and what they may look like if the last command was cut off.
type editor struct {
	user   string
	work   string // where it appends, flags and expunges
	copies string // where it copies and moves to
	sure   books  // after the last command that was answered
	maybe  *books // after the one that was not
}

// books are the contents of an editor's mailboxes: the flags of each message.
type books struct {
	work, copies map[token]string
}

func (b books) clone() books { return books{maps.Clone(b.work), maps.Clone(b.copies)} }

func (b books) equal(o books) bool {
	return maps.Equal(b.work, o.work) && maps.Equal(b.copies, o.copies)
}

func newEditor(user string, n int) *editor {
	return &editor{
		user: user, work: fmt.Sprintf("work%d", n), copies: fmt.Sprintf("work%d/copies", n),
		sure: books{map[token]string{}, map[token]string{}},
	}
}

// session is one connection of an editor.
type session struct {
	*editor
	w        *world
	c        *client
	dice     *rand.Rand
	validity map[string]uint32 // of its mailboxes
	uids     map[token]uint32  // of its messages in work
}

// edit works until the server is gone.
func (w *world) edit(e *editor, dice *rand.Rand) error {
	c, err := w.dialIMAP(e.user)
	if err != nil {
		return err
	}
	defer c.close()
	s := &session{editor: e, w: w, c: c, dice: dice, validity: map[string]uint32{}, uids: map[token]uint32{}}
	if err := s.open(); err != nil {
		return err
	}
	ops := []func() error{s.append, s.append, s.append, s.append, s.flag, s.flag, s.flag, s.copy, s.move, s.expunge}
	for range maxOps {
		if err := ops[dice.IntN(len(ops))](); err != nil {
			return err
		}
	}
	return nil
}

// open makes the mailboxes if they are not there, selects the first, and learns
// the UIDs.
func (s *session) open() error {
	for _, name := range []string{s.work, s.copies} {
		if _, _, err := s.c.imap("CREATE %s", name); err != nil && !errors.Is(err, errRefused) {
			return err
		}
		list, err := examine(s.c, name)
		if err != nil {
			return err
		}
		s.validity[name] = list.validity
		for _, m := range list.messages {
			if name == s.work {
				s.uids[m.token] = m.uid
			}
		}
	}
	_, _, err := s.c.imap("SELECT %s", s.work)
	return err
}

// some picks a message in the work mailbox that fits.
func (s *session) some(fits func(token) bool) (tok token, ok bool) {
	all := slices.Sorted(maps.Keys(s.sure.work))
	for _, i := range s.dice.Perm(len(all)) {
		if fits(all[i]) {
			return all[i], true
		}
	}
	return "", false
}

// run sends a command that, when it is answered, turns the books into next.
func (s *session) run(next books, format string, args ...any) (ok string, err error) {
	s.maybe = &next
	_, ok, err = s.c.imap(format, args...)
	switch {
	case err == nil:
		s.sure, s.maybe = next, nil
	case errors.Is(err, errRefused):
		s.maybe = nil
	}
	return ok, err
}

// append adds a message with flags, by a literal that does not wait.
func (s *session) append() error {
	tok := s.w.ledger.newToken("append")
	next := s.sure.clone()
	flags := []string{"", `\Seen`, `\Draft \Flagged`, `\Answered keyword`}[s.dice.IntN(4)]
	next.work[tok] = normal(flags)
	text := message(tok, size(s.dice))
	ok, err := s.run(next, "APPEND %s (%s) {%d+}\r\n%s", s.work, flags, len(text), text)
	if err != nil {
		return err
	}
	validity, uids, err := codeUIDs(ok, "APPENDUID", 1)
	if err != nil {
		return err
	}
	s.uids[tok] = uids[0]
	s.w.ledger.uid(place{s.user, s.work, validity}, uids[0], tok)
	return nil
}

// flag replaces the flags of a message.
func (s *session) flag() error {
	tok, ok := s.some(func(token) bool { return true })
	if !ok {
		return nil
	}
	flags := []string{``, `\Seen`, `\Seen \Flagged`, `\Deleted`, `\Deleted \Seen`, `other`}[s.dice.IntN(6)]
	next := s.sure.clone()
	next.work[tok] = normal(flags)
	_, err := s.run(next, "UID STORE %d FLAGS.SILENT (%s)", s.uids[tok], flags)
	return err
}

// copy copies a message that is not among the copies yet.
func (s *session) copy() error {
	return s.transfer("COPY", func(next books, tok token) {})
}

// move moves one.
func (s *session) move() error {
	return s.transfer("MOVE", func(next books, tok token) { delete(next.work, tok) })
}

func (s *session) transfer(command string, leave func(next books, tok token)) error {
	tok, ok := s.some(func(tok token) bool { _, there := s.sure.copies[tok]; return !there })
	if !ok {
		return nil
	}
	next := s.sure.clone()
	next.copies[tok] = next.work[tok]
	leave(next, tok)
	s.maybe = &next
	untagged, answer, err := s.c.imap("UID %s %d %s", command, s.uids[tok], s.copies)
	if errors.Is(err, errRefused) {
		s.maybe = nil
	}
	if err != nil {
		return err
	}
	s.sure, s.maybe = next, nil
	validity, uids, err := codeUIDs(strings.Join(untagged, "\n")+"\n"+answer, "COPYUID", 2)
	if err != nil {
		return err
	}
	if uids[0] != s.uids[tok] {
		s.w.ledger.problem("%s of UID %d answers %s", command, s.uids[tok], answer)
	}
	s.w.ledger.uid(place{s.user, s.copies, validity}, uids[1], tok)
	return nil
}

// expunge removes what is marked as deleted.
func (s *session) expunge() error {
	next := s.sure.clone()
	maps.DeleteFunc(next.work, func(_ token, flags string) bool { return strings.Contains(flags, `\Deleted`) })
	_, err := s.run(next, "EXPUNGE")
	return err
}

// settle compares what is there with the books, and takes over what is there.
func (e *editor) settle(l *ledger, found books) {
	if !found.equal(e.sure) && (e.maybe == nil || !found.equal(*e.maybe)) {
		l.problem("%s %s: %s", e.user, e.work, e.explain(found))
	}
	e.sure, e.maybe = found, nil
}

// explain says where two books differ.
func (e *editor) explain(found books) string {
	var all []string
	differ := func(name string, want, got map[token]string) {
		for tok, flags := range want {
			if now, ok := got[tok]; !ok {
				all = append(all, fmt.Sprintf("%s is missing in %s", tok, name))
			} else if now != flags {
				all = append(all, fmt.Sprintf("%s in %s has flags %q, want %q", tok, name, now, flags))
			}
		}
		for tok := range got {
			if _, ok := want[tok]; !ok {
				all = append(all, fmt.Sprintf("%s is in %s, and should not be", tok, name))
			}
		}
	}
	differ(e.work, e.sure.work, found.work)
	differ(e.copies, e.sure.copies, found.copies)
	if e.maybe != nil {
		all = append(all, "(one command was under way)")
	}
	return strings.Join(all[:min(len(all), 10)], "; ")
}

// normal sorts flags, without \Recent.
func normal(flags string) string {
	all := slices.DeleteFunc(strings.Fields(flags), func(f string) bool { return f == `\Recent` })
	slices.Sort(all)
	return strings.Join(all, " ")
}

var codes = regexp.MustCompile(`\[(APPENDUID|COPYUID) (\d+) (\d+)(?: (\d+))?\]`)

// codeUIDs reads a response code of RFC 4315 that is about one message.
func codeUIDs(text, code string, want int) (validity uint32, uids []uint32, err error) {
	m := codes.FindStringSubmatch(text)
	if m == nil || m[1] != code {
		return 0, nil, fmt.Errorf("%w: no %s in %q", errRefused, code, text)
	}
	for _, digits := range m[2 : 3+want] {
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return 0, nil, fmt.Errorf("%w: %s in %q: %w", errRefused, code, text, err)
		}
		uids = append(uids, uint32(n))
	}
	return uids[0], uids[1:], nil
}
