package imapd

import (
	"context"
	"strconv"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// offeredStatus are the items that work without an extension that is not offered.
const offeredStatus = imapwire.StatusMessages | imapwire.StatusRecent | imapwire.StatusUIDNext |
	imapwire.StatusUIDValidity | imapwire.StatusUnseen | imapwire.StatusDeleted | imapwire.StatusSize |
	imapwire.StatusDeletedStorage | imapwire.StatusHighestModSeq | imapwire.StatusMailboxID | imapwire.StatusAppendLimit

// status is STATUS (RFC 3501 §6.3.10).
func (s *session) status(ctx context.Context, _ *command) error {
	var name string
	var items imapwire.StatusItems
	if !s.mailboxArgument(&name) || !s.dec.SP() || !s.dec.Status(&items) || !s.dec.End() {
		return s.syntax()
	}
	p, err := s.place(ctx, name, store.RightRead)
	if err != nil {
		return err
	}
	m, err := p.account.Mailbox(ctx, p.name)
	if err != nil {
		return err
	}
	if items&imapwire.StatusHighestModSeq != 0 { // RFC 7162 §3.1
		s.enableCondStore()
	}
	b, err := s.appendStatus(ctx, s.conn.AvailableBuffer(), &counters{p.account, &m, p.shown}, items)
	if err == nil {
		s.conn.Write(b)
	}
	return err
}

// counters are what STATUS tells of a mailbox.
type counters struct {
	account *store.Account
	*store.Mailbox
	name string // as the user writes it
}

func (s *session) appendStatus(ctx context.Context, dst []byte, n *counters, items imapwire.StatusItems) ([]byte, error) {
	if items&^offeredStatus != 0 {
		return dst, bad("One of these items is not offered")
	}
	var err error
	dst = s.appendMailbox(append(dst, "* STATUS "...), n.name)
	sep := " ("
	items.Each(func(item imapwire.StatusItems, name string) {
		dst = append(append(append(dst, sep...), name...), ' ')
		sep = " "
		switch item {
		case imapwire.StatusDeletedStorage:
			var sum uint64
			sum, err = n.deletedStorage(ctx)
			dst = strconv.AppendUint(dst, sum, 10)
		case imapwire.StatusMailboxID: // RFC 8474 §4.3
			dst = append(appendMailboxID(append(dst, '('), n.account.ID(), n.ID), ')')
		case imapwire.StatusAppendLimit: // RFC 7889 §3.1
			dst = strconv.AppendInt(dst, s.srv.maxMessage, 10)
		default:
			dst = strconv.AppendUint(dst, n.number(item), 10)
		}
	})
	return append(dst, ")\r\n"...), err
}

// number is an item that the mailbox's record has.
func (n *counters) number(item imapwire.StatusItems) uint64 {
	switch item {
	case imapwire.StatusMessages:
		return uint64(n.Messages)
	case imapwire.StatusRecent:
		return uint64(n.Recent)
	case imapwire.StatusUIDNext:
		return uint64(n.UIDNext)
	case imapwire.StatusUIDValidity:
		return uint64(n.UIDValidity)
	case imapwire.StatusUnseen:
		return uint64(n.Unseen)
	case imapwire.StatusHighestModSeq:
		return uint64(n.HighestModSeq)
	case imapwire.StatusDeleted: // RFC 9051 §6.3.11
		return uint64(n.Deleted)
	case imapwire.StatusSize: // RFC 8438 §3
		return uint64(n.Size)
	}
	return 0
}

// deletedStorage is DELETED-STORAGE: the bytes of the messages that an EXPUNGE would
// remove (RFC 9208 §4.1.4). It alone has to look at messages, where there are such.
func (n *counters) deletedStorage(ctx context.Context) (sum uint64, err error) {
	if n.Deleted == 0 {
		return 0, nil
	}
	snap, err := n.account.Snapshot(ctx, n.ID)
	if err != nil {
		return 0, err
	}
	snap.Each(1, snap.Len(), func(_ int, e store.Entry) bool {
		if e.Flags&store.Deleted != 0 {
			sum += uint64(e.Size)
		}
		return true
	})
	return sum, nil
}
