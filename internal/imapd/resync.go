package imapd

import (
	"context"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// mayResync reports what is wrong with the QRESYNC of a SELECT.
func (s *session) mayResync(q *imapwire.QResync) error {
	switch {
	case q == nil:
		return nil
	case !s.enabled.has(qresync): // RFC 7162 §3.2.5
		return bad("ENABLE QRESYNC first")
	case !ascending(q.MatchSeqs) || !ascending(q.MatchUIDs):
		return bad("Known message numbers and UIDs must ascend")
	case numbers(q.MatchSeqs) != numbers(q.MatchUIDs):
		return bad("There must be as many known message numbers as UIDs")
	}
	return nil
}

// ascending reports whether the numbers of a set come in order, each once.
func ascending(set imapwire.NumSet) bool {
	last := uint32(0)
	for _, r := range set.Ranges {
		if r.First <= last || r.Last < r.First {
			return false
		}
		last = r.Last
	}
	return true
}

// numbers is how many numbers an ascending set has.
func numbers(set imapwire.NumSet) (n uint64) {
	for _, r := range set.Ranges {
		n += uint64(r.Last-r.First) + 1
	}
	return n
}

// resync tells a client that comes back what has changed since: first what is gone,
// then flags (RFC 7162 §3.2.5.1). A mailbox with another UIDVALIDITY is not the one
// that it knows, so there is nothing to tell.
func (s *session) resync(ctx context.Context, out *output, m *mailbox, q *imapwire.QResync) error {
	if q.UIDValidity != m.view.UIDValidity() {
		return nil
	}
	known, since := store.AllUIDs, store.ModSeq(q.ModSeq)
	if len(q.Known.Ranges) > 0 {
		known = m.view.uidRanges(q.Known)
	}
	err := s.vanishedEarlier(ctx, out, m, after(known, m.view.knownUpTo(q)), since)
	if err != nil {
		return err
	}
	m.view.EachSince(known, since, func(seq int, e store.Entry) bool {
		out.change(m, seq, e, s.unasked(true))
		return out.err == nil
	})
	return nil
}

// vanishedEarlier tells which of these UIDs are gone since a MODSEQ.
func (s *session) vanishedEarlier(ctx context.Context, out *output, m *mailbox, uids []store.UIDRange, since store.ModSeq) error {
	gone, err := m.account.Vanished(ctx, m.view.Snapshot, uids, since)
	ranges := make([]imapwire.NumRange, len(gone))
	for i, r := range gone {
		ranges[i] = imapwire.NumRange{First: uint32(r.First), Last: uint32(r.Last)}
	}
	out.vanished("* VANISHED (EARLIER) ", imapwire.Coalesce(ranges))
	return err
}

// rangesInLine is how many ranges go into a VANISHED: some clients have short lines.
const rangesInLine = 300

// vanished writes VANISHED responses, none if there is nothing to tell.
func (o *output) vanished(response string, uids []imapwire.NumRange) {
	for len(uids) > 0 {
		n := min(len(uids), rangesInLine)
		o.b = imapwire.AppendRanges(append(o.b, response...), uids[:n])
		o.b = append(o.b, "\r\n"...)
		o.writeIfFull()
		uids = uids[n:]
	}
}

// knownUpTo finds the last message that the client has under the same number: of all
// up to it, it knows which are gone (RFC 7162 §3.2.5.2). 0 if there is none.
func (v *view) knownUpTo(q *imapwire.QResync) (last store.UID) {
	seqs, uids := counter{ranges: q.MatchSeqs.Ranges}, counter{ranges: q.MatchUIDs.Ranges}
	for {
		seq, more := seqs.next()
		uid, _ := uids.next()
		if !more || int64(seq) > int64(v.Len()) {
			return last
		}
		if v.At(int(seq)).UID == store.UID(uid) {
			last = store.UID(uid)
		}
	}
}

// counter goes through an ascending set, one number after another.
type counter struct {
	ranges []imapwire.NumRange
	passed uint32 // numbers of the first range
}

func (c *counter) next() (n uint32, ok bool) {
	if len(c.ranges) == 0 {
		return 0, false
	}
	n = c.ranges[0].First + c.passed
	c.passed++
	if n == c.ranges[0].Last {
		c.ranges, c.passed = c.ranges[1:], 0
	}
	return n, true
}
