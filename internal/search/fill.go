package search

import (
	"context"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/store"
)

// batchBytes bounds the messages that are read for one segment.
const batchBytes = 4 << 20

// step does a piece of work on an account's index: it merges segments or adds new
// messages. It reports whether there is more to do.
func (x *Index) step(ctx context.Context, id store.AccountID, rest func(context.Context, time.Duration)) (more bool, err error) {
	h, err := x.head(ctx, id)
	switch {
	case fault.Is(err, fault.Corrupt):
		x.log.Error("the head of a search index is damaged; the index is made anew", "account", id, "error", err)
		return true, x.Rebuild(ctx, id)
	case err != nil:
		return false, err
	case h == nil:
		h = &head{}
	}
	if run := x.mergeable(h.segments); len(run) > 0 && !x.mergedElsewhere(h) {
		err = x.merge(ctx, id, h, run, rest)
		if fault.Is(err, fault.Corrupt) {
			x.log.Error("a segment of a search index is damaged; the index is made anew", "account", id, "error", err)
			return true, x.Rebuild(ctx, id)
		}
		return err == nil, err
	}
	return x.fill(ctx, id, h, rest)
}

// fill makes a segment of the next messages.
func (x *Index) fill(ctx context.Context, id store.AccountID, h *head, rest func(context.Context, time.Duration)) (more bool, err error) {
	start := x.clock()
	contents, last, newest, err := x.store.Account(id).Contents(ctx, h.upTo, x.batch, batchBytes)
	if err != nil || last == h.upTo {
		return false, err
	}
	// What lies after the last content is nobody's: it need not be spanned.
	s := segment{id: h.lastID + 1}
	var b builder
	if len(contents) > 0 {
		s.first, s.last = contents[0].EmailID, contents[len(contents)-1].EmailID
	}
	for i := range contents {
		c := &contents[i]
		if c.EmailID-s.first >= maxWidth { // most in between is gone
			last, s.last = contents[i-1].EmailID, contents[i-1].EmailID
			break
		}
		s.messages++
		ok, err := b.content(ctx, uint32(c.EmailID-s.first), c)
		if err != nil {
			return false, err
		}
		if !ok {
			s.gaps = append(s.gaps, c.EmailID)
		}
	}
	err = x.publish(ctx, id, h, last, s, &b)
	rest(ctx, x.clock().Sub(start))
	return last < newest || len(h.segments)+1 >= x.fanIn, err
}

// content adds a message; false if it cannot be read, or not as a whole. The error is
// of trouble that may pass.
func (b *builder) content(ctx context.Context, number uint32, c *store.Content) (bool, error) {
	if c.Damaged {
		return false, nil
	}
	m, err := c.Open(ctx)
	switch {
	case err == nil:
		defer m.Close()
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Corrupt):
		return false, nil
	default:
		return false, err
	}
	t := NewText(m, m.Size(), c.Layout)
	if t.layout == nil {
		return false, nil
	}
	return b.message(number, c, t), nil
}

// errStale says that the index was changed by somebody else meanwhile.
var errStale = fault.New(fault.InUse, "search: the index was changed by another process")

// publish writes a segment of new messages; the index has all up to last then.
func (x *Index) publish(ctx context.Context, id store.AccountID, was *head, last store.EmailID, s segment, b *builder) error {
	var rows []row
	err := b.blocks(func(f field, first, dictionary, lists []byte) error {
		rows = append(rows, rowsOf(&s, f, first, dictionary, lists)...)
		return nil
	})
	if err != nil {
		return err
	}
	return x.update(ctx, id, func(w kv.Writer, h *head) error {
		if h.generation != was.generation || h.upTo != was.upTo || h.lastID != was.lastID {
			return errStale
		}
		for _, r := range rows {
			if err := w.Put(r.key, r.value); err != nil {
				return err
			}
		}
		h.upTo = last
		if s.first != 0 {
			h.lastID = s.id
			h.segments = append(h.segments, s)
		}
		return nil
	})
}
