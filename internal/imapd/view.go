package imapd

import (
	"sort"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// mailbox is the selected mailbox.
type mailbox struct {
	place
	id         store.MailboxID
	view       view
	contexts   contexts
	recentFrom store.UID // messages from here on are \Recent in this session
	readOnly   bool
	examined   bool // the client has asked for no more than that
	expunged   bool // the client was told of messages that are gone, during this command
}

// view is what the client knows of its mailbox: the messages of a snapshot, and
// among them ghosts, which are gone, but whose EXPUNGE it could not be told yet.
// Sequence numbers of the snapshot are called seq here, those of the client numbers.
type view struct {
	*store.Snapshot
	ghosts  []ghost          // ascending
	settled store.ModSeq     // while behind: all changes up to here have been told
	untold  bool             // flags have changed, and the client did not want to hear of it
	saved   []store.UIDRange // "$" (RFC 5182), ascending; UIDs in it may be gone
}

// ghost is a message that is gone, and not yet for the client.
type ghost struct {
	number int
	uid    store.UID
}

// exists is the number of messages that the client knows of.
func (v *view) exists() int { return v.Len() + len(v.ghosts) }

// number is the client's number of a message.
func (v *view) number(seq int) int {
	// Ghost i stands before the message with seq ghosts[i].number-i.
	return seq + sort.Search(len(v.ghosts), func(i int) bool { return v.ghosts[i].number-i > seq })
}

// seqFrom is the seq of the first message whose number is at least this one.
func (v *view) seqFrom(number int) int { return number - v.ghostFrom(number) }

// ghostFrom is the index of the first ghost whose number is at least this one.
func (v *view) ghostFrom(number int) int {
	return sort.Search(len(v.ghosts), func(i int) bool { return v.ghosts[i].number >= number })
}

// haunted reports whether a ghost has a number in [first, last].
func (v *view) haunted(first, last int) bool {
	i := v.ghostFrom(first)
	return i < len(v.ghosts) && v.ghosts[i].number <= last
}

// modSeq is the MODSEQ up to which the client has been told everything (RFC 7162
// §3.2: below those of messages that are gone and that it could not be told of).
func (v *view) modSeq() store.ModSeq {
	if v.behind() {
		return v.settled
	}
	return v.ModSeq()
}

// behind reports that the client has not been told everything.
func (v *view) behind() bool { return v.untold || len(v.ghosts) > 0 }

// fallBehind is called before something is left untold that has happened after a MODSEQ.
func (v *view) fallBehind(after store.ModSeq) {
	if !v.behind() {
		v.settled = after
	}
}

// selection is what a set of a command means.
type selection struct {
	uids []store.UIDRange // ascending
	gone bool             // numbers in it are of messages that are gone
}

// empty reports that no message is selected.
func (sel *selection) empty() bool { return len(sel.uids) == 0 }

// selection looks up the messages of a set: UIDs, of which those that do not exist
// are overlooked (RFC 3501 §6.4.8), or numbers, which must exist (RFC 9051 §9).
func (v *view) selection(set imapwire.NumSet, uid bool) (selection, error) {
	var sel selection
	switch {
	case set.Saved: // RFC 5182 §2.1: what is gone is not in it any more
		sel.uids = v.saved
		return sel, nil
	case uid:
		sel.uids = v.uidRanges(set)
		return sel, nil
	}
	exists := v.exists()
	for _, r := range set.Ranges {
		if int64(r.First) > int64(exists) || int64(r.Last) > int64(exists) || exists == 0 {
			return sel, bad("There is no message of that number")
		}
	}
	for _, r := range set.Resolve(uint32(exists)) {
		first, last := int(r.First), int(r.Last)
		sel.gone = sel.gone || v.haunted(first, last)
		if from, to := v.seqFrom(first), v.seqFrom(last+1)-1; from <= to {
			sel.uids = append(sel.uids, store.UIDRange{First: v.At(from).UID, Last: v.At(to).UID})
		}
	}
	return sel, nil
}

func (v *view) uidRanges(set imapwire.NumSet) []store.UIDRange {
	last := store.UID(0)
	if n := v.Len(); n > 0 {
		last = v.At(n).UID
	}
	return uidRanges(set, last)
}

// uidRanges gives a set as ascending ranges, with last in place of "*".
func uidRanges(set imapwire.NumSet, last store.UID) []store.UIDRange {
	ranges := set.Resolve(uint32(last))
	uids := make([]store.UIDRange, len(ranges))
	for i, r := range ranges {
		uids[i] = store.UIDRange{First: store.UID(r.First), Last: store.UID(r.Last)}
	}
	return uids
}

// recent counts the messages that are \Recent in this session.
func (m *mailbox) recent() int { return m.view.Len() + 1 - m.view.SeqFrom(m.recentFrom) }

// appendFlags appends a message's flags, \Recent included.
func (m *mailbox) appendFlags(dst []byte, e store.Entry) []byte {
	var room [16]string
	names := e.Flags.Names(room[:0], m.view.Keywords())
	if e.UID >= m.recentFrom {
		names = append(names, imapwire.Recent)
	}
	return imapwire.AppendFlags(dst, names)
}

// count is the number of messages in ascending ranges.
func (v *view) count(uids []store.UIDRange) int {
	n := 0
	for _, r := range uids {
		to := v.Len() + 1
		if r.Last < v.UIDNext() {
			to = v.SeqFrom(r.Last + 1)
		}
		n += to - v.SeqFrom(r.First)
	}
	return n
}

// collector gathers messages, visited in order, into ranges of UIDs. A range spans
// the gap between neighbours: no UID in it will ever be given to another message.
type collector struct {
	uids []store.UIDRange
	last int // seq
}

func (c *collector) add(seq int, uid store.UID) {
	if n := len(c.uids); n > 0 && seq == c.last+1 {
		c.uids[n-1].Last = uid
	} else {
		c.uids = append(c.uids, store.UIDRange{First: uid, Last: uid})
	}
	c.last = seq
}
