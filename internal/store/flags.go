package store

import "context"

// FlagOp is what a FlagChange does with its flags.
type FlagOp uint8

// The operations of STORE (RFC 9051 §6.4.6).
const (
	AddFlags FlagOp = iota
	RemoveFlags
	SetFlags
)

// FlagChange is a change of flags over a range of messages.
type FlagChange struct {
	Op    FlagOp
	Flags []string // system flags and keywords; \Recent is ignored
	Only  Flags    // of SetFlags: the flags that it may change; 0: all

	// UnchangedSince, if not nil, leaves messages alone that have changed after it
	// (RFC 7162 §3.1.3). Known, if not nil, is what the writer knows of the mailbox: it
	// tells which changes do not concern the flags to be added or removed.
	UnchangedSince *ModSeq
	Known          *Snapshot
}

// StoreResult tells which messages a FlagChange concerned. Messages that had the
// wanted flags already are in neither list.
type StoreResult struct {
	Changed []UIDRange // those it changed
	Failed  []UIDRange // those UnchangedSince spared
}

// Store changes the flags of the messages in these ranges. However many they are,
// it is one change in the feed. Errors: NotFound, Limit (keywords used up).
func (tx *Tx) Store(id MailboxID, rs []UIDRange, fc FlagChange) (StoreResult, error) {
	var res StoreResult
	b, err := tx.box(id)
	if err != nil {
		return res, err
	}
	snap, err := tx.snapshot(b)
	if err != nil {
		return res, err
	}
	ch, err := tx.flagChange(b, fc)
	if err != nil {
		return res, err
	}
	var changed, failed collector
	snap.EachUID(rs, func(seq int, e Entry) bool {
		switch f := ch.changed(e.Flags); {
		case fc.spares(e, ch):
			failed.add(seq, e.UID)
		case f != e.Flags:
			changed.add(seq, e.UID)
			b.recount(e.Flags, f)
		}
		return true
	})
	res.Failed, res.Changed = failed.ranges, changed.ranges
	if len(res.Changed) > 0 {
		ch.uids = res.Changed
		tx.record(b, ch)
	}
	return res, nil
}

// flagChange translates the names into bits.
func (tx *Tx) flagChange(b *boxTx, fc FlagChange) (change, error) {
	if fc.Op == RemoveFlags {
		ch := change{kind: flagsRemoved}
		for _, name := range fc.Flags {
			if bit, ok := systemFlag(name); ok {
				ch.flags |= bit
			} else {
				ch.flags |= keywordBit(b.keywords, name)
			}
		}
		return ch, nil
	}
	f, err := tx.flags(b, fc.Flags)
	switch {
	case fc.Op == SetFlags && fc.Only == 0:
		return change{kind: flagsSet, flags: f}, err
	case fc.Op == SetFlags:
		return change{kind: flagsReplaced, flags: f & fc.Only, mask: fc.Only}, err
	}
	return change{kind: flagsAdded, flags: f}, err
}

// spares reports that a message has changed too lately for this change.
func (fc *FlagChange) spares(e Entry, ch change) bool {
	since := fc.UnchangedSince
	if since == nil || e.ModSeq <= *since {
		return false
	}
	if ch.kind == flagsSet || ch.kind == flagsReplaced {
		return true
	}
	if *since == 0 {
		// RFC 7162 §3.1.3: asks whether the flags exist yet. System flags always do.
		const system = 1<<firstKeyword - 1
		return ch.flags&(system|e.Flags) != 0
	}
	// RFC 7162 §3.1.12: other flags may have changed meanwhile, but for that it must be
	// known what the message was like at that MODSEQ.
	if fc.Known == nil || *since > fc.Known.modSeq {
		return true
	}
	seq, ok := fc.Known.Seq(e.UID)
	if !ok {
		return true
	}
	known := fc.Known.At(seq)
	return known.ModSeq > *since || (known.Flags^e.Flags)&ch.flags != 0
}

// recount brings the counters from a message's flags before to those after.
func (m *mailbox) recount(before, after Flags) {
	if (before^after)&Seen != 0 {
		if after&Seen != 0 {
			m.Unseen--
		} else {
			m.Unseen++
		}
	}
	if (before^after)&Deleted != 0 {
		if after&Deleted != 0 {
			m.Deleted++
		} else {
			m.Deleted--
		}
	}
}

// ClaimRecent makes the messages that no session has been told about \Recent for
// the caller's session: those with UIDs from the result on (RFC 3501 §2.3.2). It
// costs a commit only if there are any.
func (a *Account) ClaimRecent(ctx context.Context, id MailboxID) (from UID, err error) {
	m, err := a.mailbox(ctx, id)
	if err != nil || m.recentFrom == m.UIDNext {
		return m.recentFrom, err
	}
	err = a.Update(ctx, func(tx *Tx) error {
		b, err := tx.box(id)
		if err != nil {
			return err
		}
		from = b.recentFrom
		b.recentFrom, b.Recent, b.dirty = b.UIDNext, 0, true
		return nil
	})
	return from, err
}
