package store

import (
	"posthorn/internal/kv"
	"posthorn/internal/record"
)

// head is the account's own record: what every writer of the account reads first.
type head struct {
	modSeq      ModSeq    // the last one given out
	lastEmail   EmailID   // likewise
	lastMailbox MailboxID // likewise
	uidValidity uint32    // likewise
	quota       int64     // bytes the account may hold; 0: no limit
	usedBytes   int64     // by messages in mailboxes
	usedCount   int64
}

const headVersion = 1

func (h *head) encode() []byte {
	var c record.Encoder
	c.Byte(headVersion)
	c.Uint(uint64(h.modSeq))
	c.Uint(uint64(h.lastEmail))
	c.Uint(uint64(h.lastMailbox))
	c.Uint(uint64(h.uidValidity))
	c.Int(h.quota)
	c.Int(h.usedBytes)
	c.Int(h.usedCount)
	return c.Record()
}

func decodeHead(b []byte) (h head, err error) {
	d := record.NewDecoder(b)
	if _, err := d.Version(headVersion, "store: the account's head"); err != nil {
		return h, err
	}
	h.modSeq = ModSeq(d.Uint())
	h.lastEmail = EmailID(d.Uint())
	h.lastMailbox = MailboxID(d.Uint())
	h.uidValidity = uint32(d.Uint())
	h.quota = d.Int()
	h.usedBytes = d.Int()
	h.usedCount = d.Int()
	return h, d.Done("store: the account's head")
}

func readHead(r kv.Reader) (head, error) {
	b, err := mustGet(r, keyHead, "the account's head")
	if err != nil {
		return head{}, err
	}
	return decodeHead(b)
}
