package imapd

import (
	"context"
	"strconv"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// leastBatch is the smallest batch that can be asked for: with smaller ones UIDs would
// become message numbers again (RFC 10022 §3.1.3).
const leastBatch = 500

// uidBatches is UIDBATCHES (RFC 10022 §3.1): ranges of UIDs with about so many messages in
// each, the newest first. The ranges leave no gaps, so a message that is in the mailbox
// now is in one of them. It changes nothing, also not what "$" is.
func (s *session) uidBatches(ctx context.Context, c *command) error {
	var b imapwire.UIDBatches
	if !s.dec.SP() || !s.dec.UIDBatches(&b) || !s.dec.End() {
		return s.syntax()
	}
	switch {
	case b.First > b.Last:
		return &reply{statusBAD, "CLIENTBUG", "The first batch comes before the last"}
	case b.Size < leastBatch:
		return no("TOOFEW", "A batch has "+strconv.Itoa(leastBatch)+" messages at least")
	}
	if s.readErr = s.catchUp(ctx, telling{uid: true}); s.readErr != nil {
		return s.readErr
	}
	size := int64(b.Size)
	if limit := s.limit(); limit > 0 {
		size = min(size, int64(limit))
	}
	out := s.newOutput()
	out.b = append(imapwire.AppendString(append(out.b, "* UIDBATCHES (TAG "...), c.tag), ')')
	first, last := max(int64(b.First), 1), int64(b.Last)
	sep := byte(' ')
	for i := first; last == 0 || i <= last; i++ {
		r, ok := s.box.view.batch(i, size)
		if !ok {
			break
		}
		out.b = strconv.AppendUint(append(out.b, sep), uint64(r.Last), 10)
		out.b = strconv.AppendUint(append(out.b, ':'), uint64(r.First), 10)
		out.writeIfFull()
		sep = ','
	}
	out.b = append(out.b, "\r\n"...)
	s.readErr = s.closeOutput(out)
	return s.readErr
}

// batch is the range of the i-th batch from the end, down to the one behind it.
func (v *view) batch(i, size int64) (store.UIDRange, bool) {
	n := int64(v.Len())
	if i > (n+size-1)/size {
		return store.UIDRange{}, false
	}
	top := n - (i-1)*size
	r := store.UIDRange{First: 1, Last: v.At(int(top)).UID}
	if top > size {
		r.First = v.At(int(top-size)).UID + 1
	}
	return r, true
}
