package imapd

import (
	"context"
	"io"
	"strconv"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/message"
	"posthorn/internal/store"
)

// What one APPEND may hold until it commits. Large messages wait in the blob store
// and count little.
const (
	maxAppendMessages = 10_000
	maxAppendMemory   = 64 << 20
	largeMessage      = 128 << 10
)

// upload is an APPEND under way: messages that are complete, but in no mailbox yet.
type upload struct {
	mailbox string
	place   place // of mailbox
	parts   []part
	memory  int64

	replaces *replaced // by REPLACE; nil for APPEND
}

type part struct {
	*store.Message
	store.AppendOptions
}

// append is APPEND (RFC 3501 §6.3.11), of any number of messages (RFC 3502), which
// one commit puts into the mailbox.
func (s *session) append(ctx context.Context, c *command) error {
	var up upload
	if !s.mailboxArgument(&up.mailbox) {
		return s.syntax()
	}
	defer up.release()
	if err := s.receive(ctx, &up); err != nil {
		return err
	}
	var err error
	c.code, err = s.deliver(ctx, &up)
	return err
}

func (up *upload) release() {
	for _, p := range up.parts {
		p.Release()
	}
}

// receive reads all messages of the command; REPLACE has one.
func (s *session) receive(ctx context.Context, up *upload) error {
	var m imapwire.AppendMessage
	for more := true; more; more = s.dec.AppendMore(&m) {
		if up.replaces != nil && len(up.parts) > 0 {
			return bad("REPLACE takes one message")
		}
		if !s.dec.AppendMessage(&m) {
			return s.syntax()
		}
		// Before a client is asked for a literal, it is told what can be known already.
		if err := s.mayAppend(ctx, up, &m); err != nil {
			return err
		}
		stored, err := s.incoming(ctx, &m)
		if err != nil {
			return err
		}
		up.parts = append(up.parts, part{stored, store.AppendOptions{Flags: up.place.mayChange(m.Flags), InternalDate: m.Date}})
		up.memory += min(stored.Size, largeMessage)
	}
	if !s.dec.End() {
		return s.syntax()
	}
	return nil
}

// appendLimit is the size of the largest message that is taken (RFC 7889 §2).
func (s *session) appendLimit() string { return "=" + strconv.FormatInt(s.srv.maxMessage, 10) }

// mayAppend reports why a message will not be taken.
func (s *session) mayAppend(ctx context.Context, up *upload, m *imapwire.AppendMessage) error {
	size := m.Literal.Size
	switch {
	case m.UTF8 && !s.enabled.has(utf8Accept): // RFC 6855 §4
		return errEnableUTF8
	case size == 0 && !m.Catenate:
		return errCanceled
	case size > s.srv.maxMessage:
		return errTooBig
	case len(up.parts) >= maxAppendMessages || up.memory+min(size, largeMessage) > maxAppendMemory:
		return no("LIMIT", "Too many messages for one APPEND")
	case s.savesTooMany(len(up.parts) + 1):
		return s.errTooManySaved()
	case len(up.parts) > 0:
		return nil
	}
	var err error
	if up.place, err = s.place(ctx, up.mailbox, store.RightInsert); err != nil {
		return err
	}
	_, err = up.place.account.Mailbox(ctx, up.place.name)
	if fault.Is(err, fault.NotFound) {
		return errTryCreate
	}
	return err
}

var (
	errEnableUTF8 = no("CANNOT", "ENABLE UTF8=ACCEPT first")
	errCanceled   = no("", "APPEND canceled") // RFC 3502 §6.3.11
	errTooBig     = no("TOOBIG", "The message is larger than this server accepts")
)

// incoming reads a message, with all line ends made CRLF. RFC 3516 §4.4: what comes as a
// literal8 may be binary, so nothing in it is changed.
func (s *session) incoming(ctx context.Context, m *imapwire.AppendMessage) (*store.Message, error) {
	if m.Catenate {
		return s.catenate(ctx)
	}
	body, ok := s.dec.Body(m.Literal)
	if !ok {
		return nil, s.syntax()
	}
	in := s.srv.store.NewIncoming(ctx)
	var w io.Writer = in
	if m.UTF8 || !m.Literal.Binary {
		w = message.NewCRLFWriter(in)
	}
	if _, err := io.Copy(w, body); err != nil { // it is read to its end
		in.Abort()
		s.dec.Resume()
		return nil, err
	}
	stored, err := in.Finish()
	if err != nil {
		s.dec.Resume()
	}
	return stored, err
}

// deliver puts the messages into the mailbox and gives the APPENDUID (RFC 4315 §3).
func (s *session) deliver(ctx context.Context, up *upload) (code string, err error) {
	var uidValidity uint32
	var id store.MailboxID
	var uids []store.UID
	accounts := []store.AccountID{up.place.account.ID()}
	if up.replaces != nil {
		accounts = append(accounts, up.replaces.box.account.ID())
	}
	err = s.srv.store.Update(ctx, accounts, func(all *store.MultiTx) error {
		uids = uids[:0]
		if up.replaces != nil {
			if err := up.replaces.remove(all); err != nil {
				return err
			}
		}
		tx := all.Account(up.place.account.ID())
		m, err := tx.Mailbox(up.place.name)
		if fault.Is(err, fault.NotFound) {
			return errTryCreate
		}
		if err != nil {
			return err
		}
		id, uidValidity = m.ID, m.UIDValidity
		for _, p := range up.parts {
			uid, err := tx.Append(m.ID, p.Message, p.AppendOptions)
			if err != nil {
				return err
			}
			uids = append(uids, uid)
		}
		return nil
	})
	s.noteOwn(up.place.account, id, uids)
	b := strconv.AppendUint([]byte("APPENDUID "), uint64(uidValidity), 10)
	return string(imapwire.AppendNums(append(b, ' '), uids)), err
}
