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

// receive reads all messages of the command.
func (s *session) receive(ctx context.Context, up *upload) error {
	var m imapwire.AppendMessage
	for more := true; more; more = s.dec.AppendMore(&m) {
		if !s.dec.AppendMessage(&m) {
			return s.syntax()
		}
		if m.UTF8 && !s.enabled.has(utf8Accept) { // RFC 6855 §4
			return bad("ENABLE UTF8=ACCEPT first")
		}
		// Before a client is asked for a literal, it is told what can be known already.
		if err := s.mayAppend(ctx, up, m.Literal.Size); err != nil {
			return err
		}
		body, ok := s.dec.Body(m.Literal)
		if !ok {
			return s.syntax()
		}
		// RFC 3516 §4.4: what comes as a literal8 may be binary, so nothing in it is changed.
		raw := m.Literal.Binary && !m.UTF8
		stored, err := s.incoming(ctx, body, raw)
		if err != nil {
			s.dec.Resume()
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
func (srv *Server) appendLimit() string { return strconv.FormatInt(srv.maxMessage, 10) }

// mayAppend reports why a message of this size will not be taken.
func (s *session) mayAppend(ctx context.Context, up *upload, size int64) error {
	switch {
	case size == 0:
		return no("", "APPEND canceled") // RFC 3502 §6.3.11
	case size > s.srv.maxMessage:
		return no("TOOBIG", "The message is larger than this server accepts")
	case len(up.parts) >= maxAppendMessages || up.memory+min(size, largeMessage) > maxAppendMemory:
		return no("LIMIT", "Too many messages for one APPEND")
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

// incoming reads a message, with all line ends made CRLF unless it is to be stored raw.
// It reads to the end of body, also if it fails.
func (s *session) incoming(ctx context.Context, body io.Reader, raw bool) (*store.Message, error) {
	in := s.srv.store.NewIncoming(ctx)
	var w io.Writer = in
	if !raw {
		w = message.NewCRLFWriter(in)
	}
	if _, err := io.Copy(w, body); err != nil {
		in.Abort()
		return nil, err
	}
	return in.Finish()
}

// deliver puts the messages into the mailbox and gives the APPENDUID (RFC 4315 §3).
func (s *session) deliver(ctx context.Context, up *upload) (code string, err error) {
	var uidValidity uint32
	var id store.MailboxID
	var uids []store.UID
	err = up.place.account.Update(ctx, func(tx *store.Tx) error {
		uids = uids[:0]
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
