package store

// Changes is what a session has to tell about the way from one snapshot to a later one.
type Changes struct {
	Expunged []Expunged // in the order of their UIDs
	Changed  []Changed  // older messages whose flags changed
	Appended int        // how many messages are new, at the end of the new snapshot
}

// Expunged is a message that is gone.
type Expunged struct {
	Seq int // its number once those before it in the list are gone, too (RFC 9051 §7.5.1)
	UID UID
}

// Changed is a message whose flags have changed.
type Changed struct {
	Seq int   // in the new snapshot
	Was Flags // in the old one
}

// Diff compares two snapshots of one mailbox, the earlier one first. Chunks that
// both share cost nothing.
func Diff(before, after *Snapshot) Changes {
	var ch Changes
	if before == after {
		return ch
	}
	j := 0
	for i, b := range before.chunks {
		for j < len(after.chunks) && after.chunks[j].number < b.number {
			j++
		}
		if j == len(after.chunks) || after.chunks[j].number > b.number {
			ch.compare(b.entries, nil, int(before.starts[i]), 0)
		} else if after.chunks[j] != b {
			ch.compare(b.entries, after.chunks[j].entries, int(before.starts[i]), int(after.starts[j]))
		}
	}
	ch.Appended = after.Len() - (before.Len() - len(ch.Expunged))
	return ch
}

// compare adds the changes of one chunk. earlier and later are how many messages
// stand before it in the two snapshots.
func (ch *Changes) compare(before, after []Entry, earlier, later int) {
	kept := 0
	for i := range before {
		e := &before[i]
		if kept == len(after) || after[kept].UID != e.UID {
			ch.Expunged = append(ch.Expunged, Expunged{earlier + i + 1 - len(ch.Expunged), e.UID})
			continue
		}
		if after[kept].ModSeq != e.ModSeq {
			ch.Changed = append(ch.Changed, Changed{later + kept + 1, e.Flags})
		}
		kept++
	}
}
