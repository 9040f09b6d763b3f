package imapd

import (
	"context"
	"strconv"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// selectMailbox is SELECT (RFC 3501 §6.3.1, RFC 7162 §3.1.8, §3.2.5).
func (s *session) selectMailbox(ctx context.Context, c *command) error {
	return s.open(ctx, c, false)
}

// examine is EXAMINE (RFC 3501 §6.3.2).
func (s *session) examine(ctx context.Context, c *command) error {
	return s.open(ctx, c, true)
}

func (s *session) open(ctx context.Context, c *command, readOnly bool) error {
	var name string
	var o imapwire.SelectOptions
	if !s.mailboxArgument(&name) || !s.dec.Select(&o) || !s.dec.End() {
		return s.syntax()
	}
	if err := s.mayResync(o.QResync); err != nil {
		return err
	}
	s.leave() // RFC 3501 §6.3.1: also if this one cannot be selected
	if o.CondStore {
		s.enabled |= condStore
	}
	p, err := s.place(ctx, name, store.RightRead)
	if err != nil {
		return err
	}
	s.watch(p.account)
	s.stale.Store(false)
	found, err := p.account.Open(ctx, p.name)
	if err != nil {
		return err
	}
	m, err := s.newMailbox(ctx, p, &found, readOnly)
	if err != nil {
		return err
	}
	out := s.newOutput()
	m.describe(out, &found.Mailbox)
	if o.QResync != nil {
		err = s.resync(ctx, out, m, o.QResync)
	}
	if s.readErr = s.closeOutput(out); s.readErr != nil {
		return s.readErr
	}
	if err != nil {
		return err
	}
	s.box = m
	c.code = "READ-WRITE"
	if m.readOnly {
		c.code = "READ-ONLY"
	}
	return nil
}

// leave leaves the mailbox that is selected, if one is. The client is told
// where the responses about the next one begin (RFC 7162 §3.2.11, RFC 9051 §7.1).
func (s *session) leave() {
	if s.box != nil {
		s.box = nil
		s.line("* OK [CLOSED] The previous mailbox is closed")
	}
}

// watch asks to be told of changes in an account, in place of the one before.
func (s *session) watch(a *store.Account) {
	if s.stopWatch != nil {
		if s.watched == a.ID() {
			return
		}
		s.stopWatch()
	}
	s.watched = a.ID()
	s.stopWatch = a.Watch(func() {
		s.stale.Store(true)
		if s.wake.Load() {
			s.conn.Wake()
		}
	})
}

// nothingRecent is where the \Recent messages of a session begin that has none.
const nothingRecent = ^store.UID(0)

func (s *session) newMailbox(ctx context.Context, p place, found *store.Opened, readOnly bool) (m *mailbox, err error) {
	m = &mailbox{place: p, id: found.ID, examined: readOnly, recentFrom: found.UIDNext}
	m.readOnly = m.isReadOnly()
	readOnly = m.readOnly
	m.view.Snapshot = found.Snapshot
	if s.enabled.has(rev2) { // RFC 9051 appendix E: there is no \Recent
		m.recentFrom = nothingRecent
		return m, nil
	}
	if found.Recent > 0 && !readOnly {
		if m.recentFrom, err = m.account.ClaimRecent(ctx, m.id); err != nil {
			// RFC 3501 §2.3.2: where it cannot be known who was told first, a message is
			// \Recent for all. A disk that is full must not keep anyone from reading.
			s.conn.Log().Warn("messages stay recent", "mailbox", found.Name, "error", err)
			m.recentFrom = found.RecentFrom
		}
	}
	if readOnly { // RFC 3501 §6.3.2: no message loses its \Recent
		end := m.view.SeqFrom(found.UIDNext)
		if first := max(1, end-int(found.Recent)); first < end {
			m.recentFrom = m.view.At(first).UID
		}
	}
	return m, nil
}

// isReadOnly: RFC 4314 §5.2: who can change nothing is told so.
func (m *mailbox) isReadOnly() bool {
	return m.examined || !m.rights.Any(store.RightInsert|store.RightExpunge) && m.rights.Flags() == 0
}

// describe writes what a client is told of a mailbox that it has selected.
func (m *mailbox) describe(out *output, found *store.Mailbox) {
	m.describeFlags(out)
	out.exists(m)
	// RFC 9051 §6.3.2, RFC 9586 §3: no message is named by its number.
	if first := m.view.FirstUnseen(); first > 0 && !out.reader.has(rev2|uidOnly) {
		out.code("UNSEEN", uint64(first), "First unseen message")
	}
	out.code("UIDVALIDITY", uint64(m.view.UIDValidity()), "UIDs are valid")
	out.code("UIDNEXT", uint64(m.view.UIDNext()), "Next UID")
	out.code("HIGHESTMODSEQ", uint64(m.view.modSeq()), "Highest MODSEQ")               // RFC 7162 §3.1.2.1
	out.b = append(append(out.b, "* OK ["...), mailboxIDCode(m.account.ID(), m.id)...) // RFC 8474 §4.2
	out.b = append(out.b, "] Mailbox id\r\n"...)
	if out.reader.has(rev2) { // RFC 9051 §6.3.2
		var attributes []string
		if found.SpecialUse != "" {
			attributes = append(attributes, found.SpecialUse)
		}
		out.listEntry("LIST", &imapwire.ListEntry{Name: m.shown, Attributes: attributes})
	}
}

// code writes "* OK [UIDNEXT 5] Next UID".
func (o *output) code(name string, n uint64, words string) {
	o.b = append(append(append(o.b, "* OK ["...), name...), ' ')
	o.b = strconv.AppendUint(o.b, n, 10)
	o.b = append(append(append(o.b, "] "...), words...), "\r\n"...)
}
