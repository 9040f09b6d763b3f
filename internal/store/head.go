package store

import "posthorn/internal/kv"

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
	var c encoder
	c.byte(headVersion)
	c.uint(uint64(h.modSeq))
	c.uint(uint64(h.lastEmail))
	c.uint(uint64(h.lastMailbox))
	c.uint(uint64(h.uidValidity))
	c.int(h.quota)
	c.int(h.usedBytes)
	c.int(h.usedCount)
	return c.b
}

func decodeHead(b []byte) (h head, err error) {
	d := decoder{b: b}
	if err := d.version(headVersion, "the account's head"); err != nil {
		return h, err
	}
	h.modSeq = ModSeq(d.uint())
	h.lastEmail = EmailID(d.uint())
	h.lastMailbox = MailboxID(d.uint())
	h.uidValidity = uint32(d.uint())
	h.quota = d.int()
	h.usedBytes = d.int()
	h.usedCount = d.int()
	return h, d.done("the account's head")
}

func readHead(r kv.Reader) (head, error) {
	b, err := mustGet(r, keyHead, "the account's head")
	if err != nil {
		return head{}, err
	}
	return decodeHead(b)
}
