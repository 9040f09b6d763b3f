package imapd

import (
	"context"
	"errors"
	"io"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// fetch is FETCH (RFC 3501 §6.4.5). What the snapshot knows is written from it
// alone; what a list shows from one scan of the stored records; only bodies are
// opened. \Seen is set for all messages at once, at the end.
func (s *session) fetch(ctx context.Context, c *command) error {
	var set imapwire.NumSet
	var o imapwire.FetchOptions
	if !s.dec.SP() || !s.dec.NumSet(&set) || !s.dec.SP() || !s.dec.Fetch(&o) || !s.dec.End() {
		return s.syntax()
	}
	if err := s.fetchModifiers(c, &o); err != nil {
		return err
	}
	plan, err := newFetchPlan(&o, c.uid && !s.enabled.has(uidOnly))
	if err != nil {
		return err
	}
	sel, err := s.selection(ctx, c, set)
	if err != nil {
		return err
	}
	if o.Partial != nil {
		if err := s.limitedPartial(o.Partial); err != nil {
			return err
		}
		sel.uids = s.box.view.partial(sel.uids, o.Partial)
	}
	if o.ChangedSince > 0 {
		if sel.uids, err = s.changedSince(ctx, &o, set, sel.uids); err != nil {
			return err
		}
	}
	f := &fetcher{session: s, ctx: ctx, plan: plan, output: s.newOutput()}
	err = f.run(s.limited(c, sel.uids))
	if s.readErr = s.closeOutput(f.output); s.readErr != nil {
		return s.readErr
	}
	if err == nil && len(f.unseen.uids) > 0 && !s.box.readOnly && s.box.rights.Has(store.RightSeen) {
		err = s.setSeen(ctx, c, f.unseen.uids)
	}
	switch {
	case err != nil:
		return err
	case f.damaged:
		return no("CORRUPTION", "Some of these messages are damaged, and shown as far as they can be read")
	case f.unknownCTE: // RFC 3516 §4.3
		return errUnknownCTE
	case sel.gone:
		return errExpunged
	}
	return nil
}

var errUnknownCTE = no("UNKNOWN-CTE", "Some of these parts have a Content-Transfer-Encoding that this server does not know")

// setSeen sets \Seen after bodies were fetched; the client is told as of any change.
// With a full disk it has its messages all the same, and they stay unseen.
func (s *session) setSeen(ctx context.Context, c *command, uids []store.UIDRange) error {
	after, err := s.changeFlags(ctx, &ownChange{uids: uids}, store.FlagChange{Op: store.AddFlags, Flags: []string{imapwire.Seen}})
	switch {
	case fault.Is(err, fault.StorageFull):
		s.conn.Log().Warn("messages stay unseen", "error", err)
		return nil
	case err != nil:
		return err
	}
	s.readErr = s.tell(after, telling{uid: c.uid})
	return s.readErr
}

// fetcher answers one FETCH.
type fetcher struct {
	*session
	*output
	ctx     context.Context
	plan    *fetchPlan
	current fetched   // the message that is being written
	scratch []byte    // for header fields
	unseen  collector // messages to set \Seen for
	damaged bool      // there were messages that could not be read

	unknownCTE bool // there were parts in an encoding that nobody knows
}

// visit is called with one message after another, until it returns false.
type visit func(m fetched) bool

func (f *fetcher) run(uids []store.UIDRange) error {
	snap := f.box.view.Snapshot
	switch f.plan.source {
	case fromSnapshot:
		snap.EachUID(uids, func(seq int, e store.Entry) bool {
			f.message(fetched{seq: seq, Entry: e})
			f.writeIfFull()
			return f.err == nil
		})
		return f.err
	case fromRecord:
		return f.batches(uids, func(uids []store.UIDRange, each visit) error {
			return f.box.account.Records(f.ctx, snap, uids, func(seq int, e store.Entry, r *store.Record) bool {
				return each(fetched{seq: seq, Entry: e, record: r})
			})
		})
	}
	bodies := f.box.account.Bodies
	if !f.plan.parts {
		bodies = f.box.account.Whole
	}
	return f.batches(uids, func(uids []store.UIDRange, each visit) error {
		return bodies(f.ctx, snap, uids, func(seq int, e store.Entry, r *store.Record, body []byte) bool {
			return each(fetched{seq: seq, Entry: e, record: r, body: body})
		})
	})
}

// batches scans messages until the output is full, writes it with no view of the
// store open, and goes on behind the last message.
func (f *fetcher) batches(uids []store.UIDRange, scan func([]store.UIDRange, visit) error) error {
	for len(uids) > 0 {
		var last store.UID
		var large *fetched
		err := scan(uids, func(m fetched) bool {
			if m.UID <= last { // the engine has begun the scan anew
				f.b, large = f.b[:0], nil
			}
			last = m.UID
			if f.plan.needsFile(&m) {
				large = m.keep()
				return false
			}
			f.message(m)
			return !f.full()
		})
		if err != nil {
			return err
		}
		more := large != nil || f.full()
		if err := f.write(); err != nil {
			return err
		}
		if large != nil {
			f.large(*large)
		}
		if !more {
			return nil
		}
		uids = after(uids, last)
	}
	return nil
}

// after gives what is left of ascending ranges behind a UID.
func after(uids []store.UIDRange, last store.UID) []store.UIDRange {
	for len(uids) > 0 && uids[0].Last <= last {
		uids = uids[1:]
	}
	if len(uids) > 0 && uids[0].First <= last {
		rest := append([]store.UIDRange{{First: last + 1, Last: uids[0].Last}}, uids[1:]...)
		return rest
	}
	return uids
}

// large answers for a message whose body has to be opened, with no view of the store
// open: its parts go to the client as they are read.
func (f *fetcher) large(m fetched) {
	if body, err := f.box.account.Body(f.ctx, f.box.view.Snapshot, m.UID); err == nil {
		defer body.Close()
		m.file = body
	} else {
		f.conn.Log().Error("opening a message failed", "uid", m.UID, "error", err)
	}
	f.message(m)
}

// copy appends a part of a body as a literal. A part that was announced and cannot
// be read is made up with spaces: the conversation goes on, and ends in a NO.
func (f *fetcher) copy(m *fetched, from, to int64) {
	f.b = imapwire.AppendLiteralHeader(f.b, to-from)
	if m.file == nil {
		start := len(f.b)
		f.b = append(f.b, m.body[from:to]...)
		imapwire.ReplaceNUL(f.b[start:])
		return
	}
	for from < to && f.err == nil {
		start := len(f.b)
		room := int(min(batchSize, to-from))
		f.b = append(f.b, make([]byte, room)...)
		chunk := f.b[start:]
		if n, err := m.file.ReadAt(chunk, from); n < room {
			f.conn.Log().Error("reading a message failed", "uid", m.UID, "error", err)
			f.damaged = true
			for i := range chunk[n:] {
				chunk[n+i] = ' '
			}
		}
		imapwire.ReplaceNUL(chunk)
		from += int64(room)
		f.writeIfFull()
	}
}

// maxHeader is how much of a header is looked at for single fields.
const maxHeader = 1 << 20

// header gives a header block, or the beginning of an enormous one.
func (f *fetcher) header(m *fetched, from, to int64) []byte {
	if m.file == nil {
		return m.body[from:to]
	}
	b := make([]byte, min(to-from, maxHeader))
	n, err := m.file.ReadAt(b, from)
	if n < len(b) && !errors.Is(err, io.EOF) {
		f.damaged = true
	}
	return b[:n]
}
