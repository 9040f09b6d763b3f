package store

import (
	"context"

	"posthorn/internal/kv"
	"posthorn/internal/record"
)

// The feed of the tree tells of mailboxes themselves: their names, subscriptions, access
// control lists and metadata. It has no checkpoint, as all of these have records of their
// own. Its first key, of no MODSEQ, says up to where Maintain has cut it off.

const treeFloorVersion = 1

// treeFloor is the MODSEQ after which the feed of the tree is complete.
func treeFloor(r kv.Reader) (ModSeq, error) {
	b, ok, err := r.Get(keyFeed(treeFeed, 0))
	if err != nil || !ok {
		return 0, err
	}
	const what = "store: where the feed of mailboxes begins"
	d := record.NewDecoder(b)
	if _, err := d.Version(treeFloorVersion, what); err != nil {
		return 0, err
	}
	floor := ModSeq(d.Uint())
	return floor, d.Done(what)
}

// trimTree cuts off what is old.
func (a *Account) trimTree(ctx context.Context, cutoff int64) error {
	var due ModSeq
	err := a.view(ctx, func(r kv.Reader) (err error) {
		due, err = lastBefore(r, treeFeed, 0, maxModSeq, cutoff, 1)
		return err
	})
	if err != nil || due == 0 {
		return err
	}
	return a.Update(ctx, func(tx *Tx) error {
		floor, err := lastBefore(tx.w, treeFeed, 0, maxModSeq, cutoff, 0)
		if err != nil || floor == 0 {
			return err
		}
		if err := tx.w.DeleteRange(keyFeed(treeFeed, 1), keyFeed(treeFeed, floor+1)); err != nil {
			return err
		}
		c := record.NewEncoder(12)
		c.Byte(treeFloorVersion)
		c.Uint(uint64(floor))
		return tx.w.Put(keyFeed(treeFeed, 0), c.Record())
	})
}

// MetadataChange is an entry of metadata that was set or removed.
type MetadataChange struct {
	Mailbox MailboxID // or ServerMetadata
	Who     AccountID // whose entry it is, or EveryoneShares
	Entry   string
}

// MetadataChanges gives the entries that were set or removed after a MODSEQ, each once
// for each time, and the MODSEQ to ask with next. Where the feed does not reach back so
// far, every entry that there is may have been.
func (a *Account) MetadataChanges(ctx context.Context, after ModSeq) (changes []MetadataChange, upTo ModSeq, err error) {
	err = a.view(ctx, func(r kv.Reader) error {
		changes = nil
		h, err := readHead(r)
		if err != nil {
			return err
		}
		if upTo = h.modSeq; upTo <= after {
			return nil
		}
		floor, err := treeFloor(r)
		if err != nil {
			return err
		}
		if after < floor {
			changes, err = allMetadata(r)
			return err
		}
		feed, err := readFeed(r, treeFeed, after)
		for _, f := range feed {
			for _, ch := range f.changes {
				if ch.kind == metadataChanged {
					changes = append(changes, MetadataChange{ch.mailbox, ch.who, ch.entry})
				}
			}
		}
		return err
	})
	return changes, upTo, err
}

// allMetadata lists every entry of the account.
func allMetadata(r kv.Reader) (all []MetadataChange, err error) {
	err = scan(r, kv.Prefix([]byte{'D'}), func(k, _ []byte) error {
		id, who := metadataPlace(k)
		all = append(all, MetadataChange{id, who, string(k[metadataPrefixLength:])})
		return nil
	})
	return all, err
}
