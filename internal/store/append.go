package store

import (
	"strings"
	"time"

	"posthorn/internal/fault"
)

// AppendOptions say how a message comes into a mailbox.
type AppendOptions struct {
	Flags        []string  // system flags and keywords; \Recent is ignored
	InternalDate time.Time // zero: now
	UIDL         string    // see SetUIDL; "": it is new to POP3 clients
}

// Append puts a message into a mailbox and gives its UID. Errors: NotFound,
// OverQuota, Limit (UIDs or keywords used up), Invalid (a flag, a UIDL).
//
// It reads the account's head and the mailbox's record, and nothing that grows with
// the mailbox.
func (tx *Tx) Append(id MailboxID, m *Message, o AppendOptions) (UID, error) {
	b, err := tx.box(id)
	if err != nil {
		return 0, err
	}
	flags, err := tx.flags(b, o.Flags)
	if err != nil {
		return 0, err
	}
	if err := tx.charge(Resources{Messages: 1, Bytes: m.Size}); err != nil {
		return 0, err
	}
	if o.InternalDate.IsZero() {
		o.InternalDate = tx.now
	}
	tx.touch()
	tx.head.lastEmail++
	email := tx.head.lastEmail
	if err := tx.w.Put(keyBody(email), m.body); err != nil {
		return 0, err
	}
	if m.blob != "" {
		if err := tx.w.Put(keyLarge(string(m.blob)), nil); err != nil {
			return 0, err
		}
	}
	e := Entry{Flags: flags, Size: uint32(m.Size)}
	e.identify(email, o.InternalDate)
	if err := tx.w.Put(keyContent(email), m.record(email, tx.now, o.InternalDate)); err != nil {
		return 0, err
	}
	uid, err := tx.place(b, e)
	if err == nil && o.UIDL != "" {
		err = tx.putUIDL(id, uid, o.UIDL)
	}
	return uid, err
}

// place gives a message, whose content is stored, the next UID of a mailbox.
func (tx *Tx) place(b *boxTx, e Entry) (UID, error) {
	if b.UIDNext == ^UID(0) {
		return 0, fault.New(fault.Limit, "store: mailbox %q has used up its UIDs", b.Name)
	}
	e.UID, e.Saved = b.UIDNext, savedAt(tx.now.Unix())
	if err := tx.w.Put(keyEmail(e.Content, b.ID, e.UID), nil); err != nil {
		return 0, err
	}
	b.UIDNext++
	b.Recent++
	b.count(e, 1)
	e.ModSeq = tx.touch()
	if n := len(b.changes); n > b.applied && b.changes[n-1].kind == messagesAdded {
		b.changes[n-1].added = append(b.changes[n-1].added, e)
		return e.UID, nil
	}
	tx.record(b, change{kind: messagesAdded, added: []Entry{e}})
	return e.UID, nil
}

// count adds a message to the mailbox's counters, n times.
func (m *mailbox) count(e Entry, n int32) {
	m.Messages += uint32(n)
	m.Size += int64(e.Size) * int64(n)
	if e.Flags&Seen == 0 {
		m.Unseen += uint32(n)
	}
	if e.Flags&Deleted != 0 {
		m.Deleted += uint32(n)
	}
	if n < 0 && e.UID >= m.recentFrom && m.Recent > 0 {
		m.Recent--
	}
}

// flags gives the bits of these flags, adding new keywords to the mailbox's table.
func (tx *Tx) flags(b *boxTx, names []string) (Flags, error) {
	var f Flags
	for _, name := range names {
		if bit, ok := systemFlag(name); ok {
			f |= bit
			continue
		}
		if strings.EqualFold(name, `\Recent`) {
			continue
		}
		bit, err := tx.keyword(b, name)
		if err != nil {
			return 0, err
		}
		f |= bit
	}
	return f, nil
}

// maxKeywordLength bounds a keyword's name, in bytes.
const maxKeywordLength = 128

func (tx *Tx) keyword(b *boxTx, name string) (Flags, error) {
	if bit := keywordBit(b.keywords, name); bit != 0 {
		return bit, nil
	}
	switch {
	case name == "" || name[0] == '\\':
		return 0, fault.New(fault.Invalid, "store: %q is not a flag", name)
	case len(name) > maxKeywordLength:
		return 0, fault.New(fault.Limit, "store: the keyword %.20q… is longer than %d bytes", name, maxKeywordLength)
	case len(b.keywords) >= MaxKeywords:
		return 0, fault.New(fault.Limit, "store: mailbox %q has %d different keywords already, no more are possible", b.Name, MaxKeywords)
	}
	// Snapshots share the table, so it is never appended to in place.
	b.keywords = append(b.keywords[:len(b.keywords):len(b.keywords)], name)
	b.dirty = true
	return 1 << (firstKeyword + len(b.keywords) - 1), nil
}
