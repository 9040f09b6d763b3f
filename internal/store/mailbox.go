package store

import (
	"context"
	"slices"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/record"
)

// mailbox is the record of a mailbox: what it is, and its counters.
type mailbox struct {
	Mailbox
	keywords   []string // append-only: flags refer to them by position
	recentFrom UID      // messages from here on have not been told to any session as \Recent
	checkpoint ModSeq   // the checkpoint holds the state as of this MODSEQ
	backlog    backlog  // the weight of the feed after it
	feedFloor  ModSeq   // the feed is complete after this MODSEQ
	identified bool     // the entries of the checkpoint have contents; see identify.go
}

const mailboxVersion = 2 // 1: without identified

func (m *mailbox) encode() []byte {
	c := record.NewEncoder(96)
	c.Byte(mailboxVersion)
	c.String(m.Name)
	c.String(m.SpecialUse)
	c.Uint(uint64(m.UIDValidity))
	c.Uint(uint64(m.UIDNext))
	c.Uint(uint64(m.HighestModSeq))
	c.Uint(uint64(m.Messages))
	c.Uint(uint64(m.Unseen))
	c.Uint(uint64(m.Deleted))
	c.Uint(uint64(m.Recent))
	c.Int(m.Size)
	c.Uint(uint64(m.recentFrom))
	c.Uint(uint64(m.checkpoint))
	c.Uint(m.backlog.records)
	c.Uint(m.backlog.messages)
	c.Uint(uint64(m.feedFloor))
	c.Uint(uint64(len(m.keywords)))
	for _, k := range m.keywords {
		c.String(k)
	}
	c.Bits(m.identified)
	return c.Record()
}

func decodeMailbox(id MailboxID, b []byte) (*mailbox, error) {
	d := record.NewDecoder(b)
	version, err := d.Version(mailboxVersion, "store: a mailbox's record")
	if err != nil {
		return nil, err
	}
	m := &mailbox{Mailbox: Mailbox{ID: id}}
	m.Name = d.String()
	m.SpecialUse = d.String()
	m.UIDValidity = uint32(d.Uint())
	m.UIDNext = UID(d.Uint())
	m.HighestModSeq = ModSeq(d.Uint())
	m.Messages = uint32(d.Uint())
	m.Unseen = uint32(d.Uint())
	m.Deleted = uint32(d.Uint())
	m.Recent = uint32(d.Uint())
	m.Size = d.Int()
	m.recentFrom = UID(d.Uint())
	m.checkpoint = ModSeq(d.Uint())
	m.backlog = backlog{d.Uint(), d.Uint()}
	m.feedFloor = ModSeq(d.Uint())
	for range d.Count(1) {
		m.keywords = append(m.keywords, d.String())
	}
	if version > 1 {
		d.Bits(&m.identified)
	}
	return m, d.Done("store: a mailbox's record")
}

// readMailbox reads a mailbox by its number.
func readMailbox(r kv.Reader, id MailboxID) (*mailbox, error) {
	b, ok, err := r.Get(keyMailbox(id))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "store: mailbox %d does not exist", id)
	}
	return decodeMailbox(id, b)
}

// findMailbox gives the number of the mailbox of this name.
func findMailbox(r kv.Reader, name string) (MailboxID, error) {
	name = CanonicalName(name)
	if name == Inbox {
		return InboxID, nil
	}
	b, ok, err := r.Get(keyName(name))
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, fault.New(fault.NotFound, "store: there is no mailbox %q", name)
	}
	d := record.NewDecoder(b)
	id := MailboxID(d.Uint())
	return id, d.Done("store: a mailbox's name")
}

// CanonicalName writes INBOX in capitals, also above other mailboxes (RFC 9051 §5.1).
func CanonicalName(name string) string {
	first, rest, below := strings.Cut(name, Separator)
	if !strings.EqualFold(first, Inbox) {
		return name
	}
	if !below {
		return Inbox
	}
	return Inbox + Separator + rest
}

// Mailboxes lists the account's mailboxes, sorted by name. It is one scan.
func (a *Account) Mailboxes(ctx context.Context) ([]Mailbox, error) {
	var all []Mailbox
	err := a.view(ctx, func(r kv.Reader) error {
		all = all[:0]
		return scan(r, kv.Prefix([]byte{'M'}), func(k, v []byte) error {
			m, err := decodeMailbox(MailboxID(uidOf(k)), v)
			if err == nil {
				all = append(all, m.Mailbox)
			}
			return err
		})
	})
	slices.SortFunc(all, func(a, b Mailbox) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

// Mailbox looks a mailbox up by its name.
func (a *Account) Mailbox(ctx context.Context, name string) (Mailbox, error) {
	var found Mailbox
	err := a.view(ctx, func(r kv.Reader) error {
		id, err := findMailbox(r, name)
		if err != nil {
			return err
		}
		m, err := readMailbox(r, id)
		if err == nil {
			found = m.Mailbox
		}
		return err
	})
	return found, err
}

// mailbox reads a mailbox's record.
func (a *Account) mailbox(ctx context.Context, id MailboxID) (m mailbox, err error) {
	err = a.view(ctx, func(r kv.Reader) error {
		read, err := readMailbox(r, id)
		if err == nil {
			m = *read
		}
		return err
	})
	return m, err
}

// Subscriptions lists the names that are subscribed to, sorted, also those of
// mailboxes that are gone (RFC 9051 §6.3.7).
func (a *Account) Subscriptions(ctx context.Context) ([]string, error) {
	var names []string
	err := a.view(ctx, func(r kv.Reader) error {
		names = names[:0]
		return scan(r, kv.Prefix([]byte{'S'}), func(k, _ []byte) error {
			names = append(names, string(k[1:]))
			return nil
		})
	})
	return names, err
}
