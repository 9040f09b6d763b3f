package store

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/record"

	"golang.org/x/text/unicode/norm"
)

// Limits of mailbox names, in bytes and levels.
const (
	maxNameLength = 1000
	maxNameLevels = 32
)

// CheckName reports what is wrong with a mailbox name, if anything is.
func CheckName(name string) error {
	bad := func(why string) error { return fault.New(fault.Invalid, "store: mailbox name %q: %s", name, why) }
	switch {
	case name == "":
		return bad("it is empty")
	case len(name) > maxNameLength:
		return fault.New(fault.Limit, "store: mailbox name %.40q…: it is longer than %d bytes", name, maxNameLength)
	case !utf8.ValidString(name):
		return bad("it is not UTF-8")
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return bad("it has control characters")
	}
	levels := strings.Split(name, Separator)
	if len(levels) > maxNameLevels {
		return fault.New(fault.Limit, "store: mailbox name %.40q…: it has more than %d levels", name, maxNameLevels)
	}
	for _, l := range levels {
		if l == "" {
			return bad("a level of it is empty")
		}
	}
	return nil
}

// IsNetUnicode reports whether a name complies with Net-Unicode (RFC 5198 §2): it is in
// normal form C and has no control characters, line or paragraph separators.
func IsNetUnicode(name string) bool {
	return norm.NFC.IsNormalString(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}

// CreateMailbox makes a mailbox, and those above it that are missing. specialUse is
// an attribute of RFC 6154, or empty. Errors: Exists, Invalid, Limit, OverQuota.
func (tx *Tx) CreateMailbox(name, specialUse string) (Mailbox, error) {
	name = CanonicalName(name)
	if err := CheckName(name); err != nil {
		return Mailbox{}, err
	}
	if err := tx.nameFree(name); err != nil {
		return Mailbox{}, err
	}
	if i := strings.LastIndex(name, Separator); i > 0 {
		if _, err := tx.CreateMailbox(name[:i], ""); err != nil && !fault.Is(err, fault.Exists) {
			return Mailbox{}, err
		}
	}
	if err := tx.charge(Resources{Mailboxes: 1}); err != nil {
		return Mailbox{}, err
	}
	tx.head.lastMailbox++
	// RFC 9051 §2.3.1.1: greater than any that a mailbox of this name has had.
	tx.head.uidValidity = max(tx.head.uidValidity+1, uint32(tx.now.Unix()))
	m := &mailbox{Mailbox: Mailbox{
		ID: tx.head.lastMailbox, Name: name, UIDValidity: tx.head.uidValidity, SpecialUse: specialUse,
		Status: Status{UIDNext: 1, HighestModSeq: tx.touch()},
	}, recentFrom: 1, identified: true}
	m.checkpoint, m.feedFloor = m.HighestModSeq-1, m.HighestModSeq-1
	b := &boxTx{mailbox: m}
	tx.boxes = append(tx.boxes, b)
	tx.record(b, change{kind: mailboxCreated, mailbox: m.ID})
	tx.tree = append(tx.tree, change{kind: mailboxCreated, mailbox: m.ID})
	if err := tx.w.Put(keyMailbox(m.ID), m.encode()); err != nil {
		return Mailbox{}, err
	}
	if err := tx.inheritACL(&m.Mailbox); err != nil {
		return Mailbox{}, err
	}
	return m.Mailbox, tx.putName(name, m.ID)
}

// nameFree is Exists if a mailbox has the name.
func (tx *Tx) nameFree(name string) error {
	_, taken, err := tx.w.Get(keyName(name))
	if err == nil && taken {
		err = fault.New(fault.Exists, "store: mailbox %q exists already", name)
	}
	return err
}

func (tx *Tx) putName(name string, id MailboxID) error {
	var c record.Encoder
	c.Uint(uint64(id))
	return tx.w.Put(keyName(name), c.Record())
}

// DeleteMailbox deletes a mailbox; those below it stay. Its messages can be brought
// back until Maintain removes them. Errors: NotFound, Denied (INBOX).
func (tx *Tx) DeleteMailbox(name string) error {
	name = CanonicalName(name)
	if name == Inbox {
		return fault.New(fault.Denied, "store: INBOX cannot be deleted")
	}
	id, err := findMailbox(tx.w, name)
	if err != nil {
		return err
	}
	b, err := tx.box(id)
	if err != nil {
		return err
	}
	if err := tx.charge(Resources{Messages: -int64(b.Messages), Bytes: -b.Size, Mailboxes: -1}); err != nil {
		return err
	}
	tx.touch()
	b.gone = true
	tx.tree = append(tx.tree, change{kind: mailboxDeleted, mailbox: id})
	if err := tx.noteDropped(b); err != nil {
		return err
	}
	if err := tx.dropMetadata(id); err != nil {
		return err
	}
	if err := tx.w.Delete(keyACL(id)); err != nil { // RFC 4314 §4
		return err
	}
	for _, kind := range []byte{'F', 'K', 'U'} {
		p := mailboxPrefix(kind, id)
		if err := tx.w.DeleteRange(p, kv.PrefixEnd(p)); err != nil {
			return err
		}
	}
	if err := tx.w.Delete(keyName(name)); err != nil {
		return err
	}
	return tx.w.Delete(keyMailbox(id))
}

// noteDropped notes all messages of a mailbox that is deleted, which may be damaged.
func (tx *Tx) noteDropped(b *boxTx) error {
	n := expungeNote{why: dropped, name: b.Name}
	snap, err := tx.snapshot(b)
	if fault.Is(err, fault.Corrupt) {
		tx.account.damaged(b.ID, 0, err)
		if n.gone, err = tx.referring(b.ID); err == nil {
			err = tx.noteDeparted(b.ID, n)
		}
		return err
	}
	if err != nil {
		return err
	}
	n.gone = make([]departed, 0, snap.Len())
	snap.Each(1, snap.Len(), func(_ int, e Entry) bool {
		n.gone = append(n.gone, departedOf(e))
		return true
	})
	return tx.noteDeparted(b.ID, n)
}

// RenameMailbox renames a mailbox and those below it. INBOX stays: its messages move
// to a new mailbox of the other name (RFC 9051 §6.3.6). Errors: NotFound, Exists, Invalid.
func (tx *Tx) RenameMailbox(from, to string) error {
	from, to = CanonicalName(from), CanonicalName(to)
	if err := CheckName(to); err != nil {
		return err
	}
	if err := tx.nameFree(to); err != nil {
		return err
	}
	if strings.HasPrefix(to, from+Separator) && from != Inbox {
		return fault.New(fault.Invalid, "store: mailbox %q cannot be renamed to %q, which is below itself", from, to)
	}
	if from == Inbox {
		m, err := tx.CreateMailbox(to, "")
		if err == nil {
			_, err = tx.Move(InboxID, AllUIDs, m.ID)
		}
		if err == nil { // RFC 5464 §4.1: INBOX keeps its own
			err = tx.copyMetadata(InboxID, m.ID)
		}
		return err
	}
	if _, err := findMailbox(tx.w, from); err != nil {
		return err
	}
	if i := strings.LastIndex(to, Separator); i > 0 {
		if _, err := tx.CreateMailbox(to[:i], ""); err != nil && !fault.Is(err, fault.Exists) {
			return err
		}
	}
	return tx.renameTree(from, to)
}

// renameTree gives a mailbox and all below it their new names.
func (tx *Tx) renameTree(from, to string) error {
	names := []string{from}
	err := scan(tx.w, kv.Prefix(keyName(from+Separator)), func(k, _ []byte) error {
		names = append(names, string(k[1:]))
		return nil
	})
	if err != nil {
		return err
	}
	for _, old := range names {
		if err := tx.renameOne(old, to+strings.TrimPrefix(old, from)); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) renameOne(from, to string) error {
	if err := CheckName(to); err != nil {
		return err
	}
	// Another mailbox may be below the new name already, as names outlive those above.
	if err := tx.nameFree(to); err != nil {
		return err
	}
	id, err := findMailbox(tx.w, from)
	if err != nil {
		return err
	}
	b, err := tx.box(id)
	if err != nil {
		return err
	}
	b.Name, b.dirty = to, true
	tx.touch()
	tx.tree = append(tx.tree, change{kind: mailboxRenamed, mailbox: id})
	if err := tx.w.Delete(keyName(from)); err != nil {
		return err
	}
	return tx.putName(to, id)
}

// Subscribe adds a name to the subscriptions, or takes it off (RFC 9051 §6.3.7).
// The mailbox need not exist.
func (tx *Tx) Subscribe(name string, on bool) error {
	name = CanonicalName(name)
	if err := CheckName(name); err != nil {
		return err
	}
	tx.touch()
	tx.tree = append(tx.tree, change{kind: subscriptions})
	if on {
		return tx.w.Put(keySubscription(name), nil)
	}
	return tx.w.Delete(keySubscription(name))
}
