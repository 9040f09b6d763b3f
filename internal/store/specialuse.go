package store

import (
	"slices"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// specialUses are the attributes of RFC 6154 §2 and RFC 8457 §3 that a mailbox can have.
// \All and \Flagged are of mailboxes that show the messages of others; there are none.
var specialUses = [...]string{`\Archive`, `\Drafts`, `\Important`, `\Junk`, `\Sent`, `\Trash`}

// SetSpecialUse says what a mailbox is for; no attributes: for nothing in particular. A
// use has one mailbox: it is taken away from another that has it. Errors: NotFound,
// Unsupported (there is no such use, or INBOX was to have it).
func (tx *Tx) SetSpecialUse(id MailboxID, uses []string) error {
	canonical := make([]string, 0, len(uses))
	for _, use := range uses {
		i := slices.IndexFunc(specialUses[:], func(s string) bool { return strings.EqualFold(s, use) })
		if i < 0 || id == InboxID {
			return fault.New(fault.Unsupported, "store: mailbox %d cannot have the use %q", id, use)
		}
		if !slices.Contains(canonical, specialUses[i]) {
			canonical = append(canonical, specialUses[i])
		}
	}
	var others []MailboxID
	err := scan(tx.w, kv.Prefix([]byte{'M'}), func(k, v []byte) error {
		m, err := decodeMailbox(MailboxID(uidOf(k)), v)
		if err == nil && m.ID != id && m.SpecialUse != "" {
			others = append(others, m.ID)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, other := range others {
		if err := tx.takeUse(other, canonical); err != nil {
			return err
		}
	}
	b, err := tx.box(id)
	if err != nil {
		return err
	}
	tx.putUse(b, canonical)
	return nil
}

// takeUse takes uses away from a mailbox.
func (tx *Tx) takeUse(id MailboxID, uses []string) error {
	b, err := tx.box(id)
	if err != nil {
		return err
	}
	tx.putUse(b, slices.DeleteFunc(b.SpecialUses(), func(s string) bool { return slices.Contains(uses, s) }))
	return nil
}

func (tx *Tx) putUse(b *boxTx, uses []string) {
	use := strings.Join(uses, " ")
	if use == b.SpecialUse {
		return
	}
	b.SpecialUse, b.dirty = use, true
	tx.touch()
	tx.tree = append(tx.tree, change{kind: mailboxUsed, mailbox: b.ID})
}

// SpecialUses are the attributes one by one.
func (m *Mailbox) SpecialUses() []string { return strings.Fields(m.SpecialUse) }
