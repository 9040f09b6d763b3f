package imapd

import (
	"cmp"
	"context"
	"strconv"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// enableCondStore notes that the client knows of MODSEQs, as it uses them.
func (s *session) enableCondStore() {
	if !s.enabled.has(condStore) {
		s.enabled |= condStore
		s.announceModSeq()
	}
}

// announceModSeq tells a client that has just said that it knows of MODSEQs where the
// one of its mailbox stands (RFC 7162 §3.1).
func (s *session) announceModSeq() {
	if s.box != nil {
		s.line("* OK [", s.box.highestModSeq(), "] Highest MODSEQ")
	}
}

// highestModSeq is the response code for what the client knows of.
func (m *mailbox) highestModSeq() string {
	return "HIGHESTMODSEQ " + strconv.FormatUint(uint64(m.view.modSeq()), 10)
}

// tellModSeq tells the client up to where it knows everything, when it cannot see
// that from the MODSEQs that it was told: when messages are gone, and when it has not
// been told everything yet (RFC 7162 §3.2.7, §6).
func (s *session) tellModSeq(c *command, ok bool) {
	m := s.box
	gone, late := m.expunged, m.view.behind()
	m.expunged = false
	switch {
	case !s.enabled.has(condStore) || !gone && !late:
	case ok && c.code == "":
		c.code = m.highestModSeq()
	default:
		s.line("* OK [", m.highestModSeq(), "] Up to here everything was told")
	}
}

// appendModSeq appends the value of the FETCH item MODSEQ.
func appendModSeq(dst []byte, n store.ModSeq) []byte {
	return append(strconv.AppendUint(append(dst, '('), uint64(n), 10), ')')
}

// fetchModifiers checks what RFC 7162 adds to FETCH, and adds the MODSEQ that it
// implies (§3.1.4.1).
func (s *session) fetchModifiers(c *command, o *imapwire.FetchOptions) error {
	asked := false
	for i := range o.Items {
		asked = asked || o.Items[i].Attr == imapwire.FetchModSeq
	}
	switch { // RFC 7162 §3.2.6
	case o.Partial != nil && !c.uid: // RFC 9394 §3.3
		return bad("PARTIAL is for UID FETCH")
	case o.Vanished && !c.uid:
		return bad("VANISHED is for UID FETCH")
	case o.Vanished && o.ChangedSince == 0:
		return bad("VANISHED needs CHANGEDSINCE")
	case o.Vanished && !s.enabled.has(qresync):
		return bad("ENABLE QRESYNC first")
	case !asked && o.ChangedSince > 0:
		o.Items = append(o.Items, imapwire.FetchItem{Attr: imapwire.FetchModSeq})
		asked = true
	}
	if asked {
		s.enableCondStore()
	}
	return nil
}

// changedSince picks the messages of a FETCH that have changed after a MODSEQ. Which
// are gone since comes before any of the answers (RFC 7162 §3.2.6).
func (s *session) changedSince(ctx context.Context, o *imapwire.FetchOptions, set imapwire.NumSet, uids []store.UIDRange) ([]store.UIDRange, error) {
	since := store.ModSeq(o.ChangedSince)
	if o.Vanished {
		// What the client counts as there and is gone must not be told twice.
		if s.readErr = s.catchUp(ctx, telling{expunge: true, uid: true}); s.readErr != nil {
			return nil, s.readErr
		}
		// "*" is to include messages that were the last, and are gone.
		out := s.newOutput()
		err := s.vanishedEarlier(ctx, out, s.box, uidRanges(set, s.box.view.UIDNext()-1), since)
		if s.readErr = s.closeOutput(out); err != nil || s.readErr != nil {
			return nil, cmp.Or(s.readErr, err)
		}
	}
	var changed collector
	s.box.view.EachSince(uids, since, func(seq int, e store.Entry) bool {
		changed.add(seq, e.UID)
		return true
	})
	return changed.uids, nil
}
