package store

import (
	"context"

	"posthorn/internal/kv"
)

// MetadataChange is an entry of metadata that was set or removed.
type MetadataChange struct {
	Mailbox MailboxID // or ServerMetadata
	Who     AccountID // whose entry it is, or EveryoneShares
	Entry   string
}

// MetadataChanges gives the entries that were set or removed after a MODSEQ, each once
// for each time, and the MODSEQ to ask with next.
func (a *Account) MetadataChanges(ctx context.Context, after ModSeq) (changes []MetadataChange, upTo ModSeq, err error) {
	err = a.view(ctx, func(r kv.Reader) error {
		changes = nil
		h, err := readHead(r)
		if err != nil {
			return err
		}
		upTo = h.modSeq
		if upTo <= after {
			return nil
		}
		rg := kv.Range{From: keyFeed(treeFeed, after+1), To: kv.PrefixEnd(mailboxPrefix('F', treeFeed))}
		return scan(r, rg, func(k, v []byte) error {
			f, err := decodeFeed(modSeqOf(k), v)
			if err != nil {
				return err
			}
			for _, ch := range f.changes {
				if ch.kind == metadataChanged {
					changes = append(changes, MetadataChange{ch.mailbox, ch.who, ch.entry})
				}
			}
			return nil
		})
	})
	return changes, upTo, err
}
