package imapd

import (
	"bytes"
	"context"
	"errors"
	"io"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// target is what a URL names (RFC 5092), open to be read.
type target struct {
	*io.SectionReader
	size    int64
	message fetched
}

func (t *target) Close() error { return t.message.file.Close() }

// copyTo writes all of it to w, until w has enough.
func (t *target) copyTo(w io.Writer) error {
	_, err := io.Copy(w, t.SectionReader)
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

var errNoMessage = fault.New(fault.NotFound, "imapd: there is no such message, or no such part of it")

// openURL opens what a URL names to this user. Errors: NotFound, and those of place.
func (s *session) openURL(ctx context.Context, u *imapwire.URL) (*target, error) {
	if u.Mailbox != "" {
		p, err := s.place(ctx, u.Mailbox, store.RightRead)
		if err != nil {
			return nil, err
		}
		return openURL(ctx, p.account, p.name, u)
	}
	if s.box == nil { // RFC 4469 §3: only where one is selected it need not be named
		return nil, errNoMessage
	}
	snap, err := s.box.account.Snapshot(ctx, s.box.id)
	if err != nil {
		return nil, err
	}
	return openPart(ctx, s.box.account, snap, u)
}

// openURL opens what a URL names in a mailbox of an account. Errors: NotFound.
func openURL(ctx context.Context, account *store.Account, mailbox string, u *imapwire.URL) (*target, error) {
	found, err := account.Mailbox(ctx, mailbox)
	if err != nil {
		return nil, err
	}
	snap, err := account.Snapshot(ctx, found.ID)
	if err != nil {
		return nil, err
	}
	return openPart(ctx, account, snap, u)
}

// openPart opens what a URL names among the messages of a snapshot.
func openPart(ctx context.Context, account *store.Account, snap *store.Snapshot, u *imapwire.URL) (*target, error) {
	uid := store.UID(u.UID)
	_, ok := snap.Seq(uid)
	if !ok || u.UIDValidity != 0 && u.UIDValidity != snap.UIDValidity() {
		return nil, errNoMessage
	}
	var m *fetched
	err := account.Records(ctx, snap, []store.UIDRange{{First: uid, Last: uid}}, func(seq int, e store.Entry, r *store.Record) bool {
		if r != nil {
			m = (&fetched{seq: seq, Entry: e, record: r}).keep()
		}
		return false
	})
	if err == nil && m == nil {
		err = fault.New(fault.Corrupt, "imapd: the record of message %d is damaged", uid)
	}
	if err != nil {
		return nil, err
	}
	if m.file, err = account.Body(ctx, snap, uid); err != nil {
		return nil, err
	}
	t, err := m.target(u)
	if err != nil {
		m.file.Close()
	}
	return t, err
}

// target is a section of the message, or a part of that.
func (m *fetched) target(u *imapwire.URL) (*target, error) {
	from, to, ok := m.locate(u.Section)
	if !ok {
		return nil, errNoMessage
	}
	src := io.NewSectionReader(m.file, from, to-from)
	if s := u.Section.Specifier; s == imapwire.HeaderFields || s == imapwire.HeaderFieldsNot {
		header, err := io.ReadAll(io.LimitReader(src, maxHeader))
		if err != nil {
			return nil, err
		}
		fields := newFieldSet(u.Section.Fields, s == imapwire.HeaderFieldsNot).filter(nil, header)
		src = io.NewSectionReader(bytes.NewReader(fields), 0, int64(len(fields)))
	}
	if p := u.Partial; p != nil {
		start, end := min(p.Offset, src.Size()), src.Size()
		if p.Count > 0 {
			end = min(addOrMax(p.Offset, p.Count), end)
		}
		src = io.NewSectionReader(src, start, end-start)
	}
	return &target{src, src.Size(), *m}, nil
}
