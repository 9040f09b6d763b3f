package imapd

import (
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// partial is the part of the messages in ascending ranges that PARTIAL asks for, counted
// from the first or, with negative numbers, from the last (RFC 9394 §3.3).
func (v *view) partial(uids []store.UIDRange, r *imapwire.PartialRange) []store.UIDRange {
	from, to := span(r, v.count(uids))
	var some []store.UIDRange
	for _, u := range uids {
		first, n := v.SeqFrom(u.First), v.count([]store.UIDRange{u})
		if lo, hi := max(from, 0), min(to, n); lo < hi {
			some = append(some, store.UIDRange{First: v.At(first + lo).UID, Last: v.At(first + hi - 1).UID})
		}
		from, to = from-n, to-n
	}
	return some
}

// span is which of n things PARTIAL asks for: from is the first, to is behind the last.
func span(r *imapwire.PartialRange, n int) (from, to int) {
	first, last := r.First-1, r.Last
	if r.First < 0 {
		first, last = int64(n)+r.Last, int64(n)+r.First+1
	}
	from, to = int(max(first, 0)), int(min(last, int64(n)))
	return from, max(from, to)
}
