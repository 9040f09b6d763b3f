package imapd

import (
	"context"
	"strconv"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// offeredStatus are the items that work without an extension that is not offered.
const offeredStatus = imapwire.StatusMessages | imapwire.StatusRecent | imapwire.StatusUIDNext |
	imapwire.StatusUIDValidity | imapwire.StatusUnseen | imapwire.StatusHighestModSeq

// status is STATUS (RFC 3501 §6.3.10).
func (s *session) status(ctx context.Context, _ *command) error {
	var name string
	var items imapwire.StatusItems
	if !s.mailboxArgument(&name) || !s.dec.SP() || !s.dec.Status(&items) || !s.dec.End() {
		return s.syntax()
	}
	if items&^offeredStatus != 0 {
		return bad("One of these items is not offered")
	}
	m, err := s.account.Mailbox(ctx, name)
	if err != nil {
		return err
	}
	if items&imapwire.StatusHighestModSeq != 0 { // RFC 7162 §3.1
		s.enableCondStore()
	}
	s.conn.Write(s.appendStatus(s.conn.AvailableBuffer(), &m, items))
	return nil
}

func (s *session) appendStatus(dst []byte, m *store.Mailbox, items imapwire.StatusItems) []byte {
	dst = s.appendMailbox(append(dst, "* STATUS "...), m.Name)
	sep := " ("
	items.Each(func(item imapwire.StatusItems, name string) {
		dst = append(append(append(dst, sep...), name...), ' ')
		dst = strconv.AppendUint(dst, statusValue(m, item), 10)
		sep = " "
	})
	return append(dst, ")\r\n"...)
}

func statusValue(m *store.Mailbox, item imapwire.StatusItems) uint64 {
	switch item {
	case imapwire.StatusMessages:
		return uint64(m.Messages)
	case imapwire.StatusRecent:
		return uint64(m.Recent)
	case imapwire.StatusUIDNext:
		return uint64(m.UIDNext)
	case imapwire.StatusUIDValidity:
		return uint64(m.UIDValidity)
	case imapwire.StatusUnseen:
		return uint64(m.Unseen)
	case imapwire.StatusHighestModSeq:
		return uint64(m.HighestModSeq)
	}
	return 0
}
