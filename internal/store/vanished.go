package store

import (
	"context"

	"posthorn/internal/kv"
)

// Vanished gives the UIDs among these that were expunged from a mailbox after a
// MODSEQ and are in no message of a snapshot, in ascending ranges; the snapshot is the
// mailbox as the asker knows it. It costs what has happened since, whatever the size
// of the mailbox. Where the feed does not reach back so far, it gives every UID that
// was ever given out and is not there (RFC 7162 §3.2.6). Errors: NotFound.
func (a *Account) Vanished(ctx context.Context, snap *Snapshot, rs []UIDRange, since ModSeq) ([]UIDRange, error) {
	wanted := normalize(rs)
	if since >= snap.modSeq || len(wanted) == 0 {
		return nil, nil
	}
	var gone []UIDRange
	err := a.view(ctx, func(r kv.Reader) error {
		m, err := readMailbox(r, snap.id)
		if err != nil {
			return err
		}
		if since < m.feedFloor {
			gone = snap.missing(wanted)
			return nil
		}
		gone, err = goneSince(r, snap, since)
		return err
	})
	return intersect(normalize(gone), wanted), err
}

// goneSince is what the feed says was expunged after a MODSEQ, up to a snapshot.
func goneSince(r kv.Reader, snap *Snapshot, since ModSeq) ([]UIDRange, error) {
	var gone []UIDRange
	rg := kv.Range{From: keyFeed(snap.id, since+1), To: keyFeed(snap.id, snap.modSeq+1)}
	err := scan(r, rg, func(k, v []byte) error {
		f, err := decodeFeed(modSeqOf(k), v)
		if err != nil {
			return err
		}
		for _, ch := range f.changes {
			if ch.kind == messagesGone {
				gone = append(gone, ch.uids...)
			}
		}
		return nil
	})
	return gone, err
}

// missing gives the UIDs in these ranges, below UIDNEXT, that no message has.
func (s *Snapshot) missing(rs ranges) []UIDRange {
	var gone []UIDRange
	for _, r := range rs {
		next := r.First // the first UID that has not been looked at
		s.Each(s.SeqFrom(r.First), s.Len(), func(_ int, e Entry) bool {
			if e.UID > r.Last {
				return false
			}
			if next < e.UID {
				gone = append(gone, UIDRange{next, e.UID - 1})
			}
			next = e.UID + 1
			return true
		})
		if last := min(r.Last, s.uidNext-1); next <= last {
			gone = append(gone, UIDRange{next, last})
		}
	}
	return gone
}

// intersect gives what two sets have in common.
func intersect(a, b ranges) ranges {
	var both ranges
	for len(a) > 0 && len(b) > 0 {
		if first, last := max(a[0].First, b[0].First), min(a[0].Last, b[0].Last); first <= last {
			both = append(both, UIDRange{first, last})
		}
		if a[0].Last < b[0].Last {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return both
}
