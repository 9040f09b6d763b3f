package imapd

import (
	"bytes"
	"context"

	"posthorn/internal/search"
	"posthorn/internal/store"
)

// eachHeader calls fn with what is known of the headers of messages, which are in the
// order of the mailbox: the fields that records keep or, if those are not all, the
// header itself; nothing for a message that is damaged. fn must not call the store, and
// may be called twice for a message.
func (s *session) eachHeader(ctx context.Context, hits []hit, fn func(i int, header []byte)) error {
	var all collector
	for _, h := range hits {
		all.add(h.seq, h.uid)
	}
	next, last := 0, store.UID(0)
	var incomplete []int
	err := s.box.account.Records(ctx, s.box.view.Snapshot, all.uids, func(_ int, e store.Entry, r *store.Record) bool {
		if e.UID <= last { // the engine has begun the scan anew
			next, incomplete = 0, nil
		}
		switch {
		case r == nil:
			fn(next, nil)
		case r.HeadersComplete:
			fn(next, r.Headers)
		default:
			incomplete = append(incomplete, next)
		}
		last = e.UID
		next++
		return ctx.Err() == nil
	})
	for _, i := range incomplete {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			break
		}
		var header []byte
		if header, err = s.wholeHeader(ctx, hits[i].uid); err == nil {
			fn(i, header)
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// wholeHeader reads a message's header, as far as it can be read.
func (s *session) wholeHeader(ctx context.Context, uid store.UID) ([]byte, error) {
	var layout []byte
	snap := s.box.view.Snapshot
	err := s.box.account.Records(ctx, snap, []store.UIDRange{{First: uid, Last: uid}}, func(_ int, _ store.Entry, r *store.Record) bool {
		if r != nil {
			layout = bytes.Clone(r.Layout)
		}
		return false
	})
	if err != nil || layout == nil {
		return nil, err
	}
	body, err := s.box.account.Body(ctx, snap, uid)
	if err != nil {
		s.conn.Log().Error("opening a message failed", "uid", uid, "error", err)
		return nil, nil
	}
	defer body.Close()
	return search.NewText(body, body.Size(), layout).Header(), nil
}
