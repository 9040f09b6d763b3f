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
	limit       Resources
	used        Resources
}

const headVersion = 2

func (h *head) encode() []byte {
	c := record.NewEncoder(48)
	c.Byte(headVersion)
	c.Uint(uint64(h.modSeq))
	c.Uint(uint64(h.lastEmail))
	c.Uint(uint64(h.lastMailbox))
	c.Uint(uint64(h.uidValidity))
	c.Int(h.limit.Bytes)
	c.Int(h.used.Bytes)
	c.Int(h.used.Messages)
	c.Int(h.limit.Messages)
	c.Int(h.limit.Mailboxes)
	c.Int(h.used.Mailboxes)
	c.Int(h.limit.Annotations)
	c.Int(h.used.Annotations)
	return c.Record()
}

// decodeHead reads a head and the version of its form: before 2, nobody counted
// mailboxes.
func decodeHead(b []byte) (h head, version byte, err error) {
	d := record.NewDecoder(b)
	if version, err = d.Version(headVersion, "store: the account's head"); err != nil {
		return h, version, err
	}
	h.modSeq = ModSeq(d.Uint())
	h.lastEmail = EmailID(d.Uint())
	h.lastMailbox = MailboxID(d.Uint())
	h.uidValidity = uint32(d.Uint())
	h.limit.Bytes = d.Int()
	h.used.Bytes = d.Int()
	h.used.Messages = d.Int()
	if version >= 2 {
		h.limit.Messages = d.Int()
		h.limit.Mailboxes = d.Int()
		h.used.Mailboxes = d.Int()
		h.limit.Annotations = d.Int()
		h.used.Annotations = d.Int()
	}
	return h, version, d.Done("store: the account's head")
}

func readHead(r kv.Reader) (head, error) {
	b, err := mustGet(r, keyHead, "the account's head")
	if err != nil {
		return head{}, err
	}
	return completeHead(r, b)
}

// completeHead decodes a head and counts what its form did not have yet.
func completeHead(r kv.Reader, b []byte) (head, error) {
	h, version, err := decodeHead(b)
	if err == nil && version < 2 {
		err = scan(r, kv.Prefix([]byte{'M'}), func(_, _ []byte) error {
			h.used.Mailboxes++
			return nil
		})
	}
	return h, err
}
