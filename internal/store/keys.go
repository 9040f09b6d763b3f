package store

import (
	"bytes"
	"encoding/binary"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// The keys of an account's shard. Numbers are big-endian, so that they sort.
//
//	A                       the account's head: counters and quota
//	B email                 the body of a message, or where it is
//	C email                 its record: all that a list of mail shows
//	D mailbox user entry    metadata of a mailbox (0: of none), of one user (0: shared)
//	E email mailbox uid     a message with this content (also an expunged one, until it is removed)
//	F mailbox modseq        the change feed of a mailbox; mailbox 0: the tree of mailboxes
//	G mailbox               who else may do what with it
//	K mailbox chunk         checkpoint: the messages of one chunk of UIDs
//	L blob                  a large body that this account refers to
//	M mailbox               the mailbox: name, counters, keywords
//	N name                  -> mailbox
//	P mailbox uid           what is noted of a message for POP3 clients
//	R mailbox uid           the record of a message that came before copies shared theirs
//	S name                  a subscription
//	U mailbox               the key by which access to its messages is granted
//	X time mailbox modseq uid   what was expunged when, until it is removed
var keyHead = []byte{'A'}

func key(kind byte, size int) []byte { return append(make([]byte, 0, 1+size), kind) }

func keyBody(e EmailID) []byte {
	return binary.BigEndian.AppendUint64(key('B', 8), uint64(e))
}

func keyContent(e EmailID) []byte {
	return binary.BigEndian.AppendUint64(key('C', 8), uint64(e))
}

func keyEmail(e EmailID, m MailboxID, u UID) []byte {
	k := binary.BigEndian.AppendUint64(key('E', 16), uint64(e))
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(k, uint32(m)), uint32(u))
}

func emailPrefix(e EmailID) []byte {
	return binary.BigEndian.AppendUint64(key('E', 8), uint64(e))
}

func keyFeed(m MailboxID, s ModSeq) []byte {
	return binary.BigEndian.AppendUint64(mailboxPrefix('F', m), uint64(s))
}

func keyChunk(m MailboxID, c uint32) []byte {
	return binary.BigEndian.AppendUint32(mailboxPrefix('K', m), c)
}

func keyLarge(id string) []byte { return append(key('L', len(id)), id...) }

func keyMailbox(m MailboxID) []byte { return mailboxPrefix('M', m) }

func keyName(name string) []byte { return append(key('N', len(name)), name...) }

func keyPOP3(m MailboxID, u UID) []byte {
	return binary.BigEndian.AppendUint32(mailboxPrefix('P', m), uint32(u))
}

func keyRecord(m MailboxID, u UID) []byte {
	return binary.BigEndian.AppendUint32(mailboxPrefix('R', m), uint32(u))
}

func keySubscription(name string) []byte { return append(key('S', len(name)), name...) }

func keyURL(m MailboxID) []byte { return mailboxPrefix('U', m) }

// keyExpunged is the key of a note. first is the first UID in it: one commit may make
// several of a mailbox.
func keyExpunged(unix int64, m MailboxID, s ModSeq, first UID) []byte {
	k := binary.BigEndian.AppendUint64(key('X', 24), uint64(unix))
	k = binary.BigEndian.AppendUint32(k, uint32(m))
	k = binary.BigEndian.AppendUint64(k, uint64(s))
	return binary.BigEndian.AppendUint32(k, uint32(first))
}

// mailboxPrefix begins every key of this kind in this mailbox.
func mailboxPrefix(kind byte, m MailboxID) []byte {
	return binary.BigEndian.AppendUint32(key(kind, 12), uint32(m))
}

// uidOf is the UID at the end of a key.
func uidOf(k []byte) UID { return UID(binary.BigEndian.Uint32(k[len(k)-4:])) }

// modSeqOf is the MODSEQ at the end of a key.
func modSeqOf(k []byte) ModSeq { return ModSeq(binary.BigEndian.Uint64(k[len(k)-8:])) }

// recordRange is the keys of the records of these UIDs.
func recordRange(m MailboxID, r UIDRange) kv.Range {
	kr := kv.Range{From: keyRecord(m, r.First)}
	if r.Last == ^UID(0) {
		kr.To = kv.PrefixEnd(mailboxPrefix('R', m))
	} else {
		kr.To = keyRecord(m, r.Last+1)
	}
	return kr
}

// scan is Scan with a callback that can fail. The callback must not use the reader.
func scan(r kv.Reader, rg kv.Range, fn func(k, v []byte) error) error {
	var failed error
	err := r.Scan(rg, func(k, v []byte) bool {
		failed = fn(k, v)
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// row is a key and its value, copied out of a scan.
type row struct{ key, value []byte }

// scanBatch is how many rows inBatches holds at a time.
const scanBatch = 128

// inBatches goes through a range like scan, but fn may use the reader too: the rows
// are copied out a batch at a time.
func inBatches(r kv.Reader, rg kv.Range, fn func(k, v []byte) error) error {
	rg.Limit = scanBatch
	for {
		var rows []row
		err := r.Scan(rg, func(k, v []byte) bool {
			rows = append(rows, row{bytes.Clone(k), bytes.Clone(v)})
			return true
		})
		if err != nil {
			return err
		}
		for _, one := range rows {
			if err := fn(one.key, one.value); err != nil {
				return err
			}
		}
		if len(rows) < scanBatch {
			return nil
		}
		rg.From = append(rows[len(rows)-1].key, 0)
	}
}

// mustGet reads a key that has to be there.
func mustGet(r kv.Reader, k []byte, what string) ([]byte, error) {
	v, ok, err := r.Get(k)
	if err == nil && !ok {
		err = fault.New(fault.Corrupt, "store: %s is missing", what)
	}
	return v, err
}
