package store

import (
	"math"

	"posthorn/internal/fault"
	"posthorn/internal/record"
)

// A change is one entry of the feed: what happened to a mailbox. Replaying the
// changes after a checkpoint gives the mailbox; see editor.apply.
type change struct {
	kind  changeKind
	added []Entry // messagesAdded, by UID; their MODSEQ is that of the commit
	uids  ranges  // flags* and messagesGone: the messages that it did change
	flags Flags   // flags*: which to add, remove or set
	mask  Flags   // flagsReplaced: the others stay as they are

	who     AccountID // metadataChanged: whose entry, or EveryoneShares
	entry   string    // metadataChanged
	mailbox MailboxID // mailbox*: in the feed of the tree; the first change of a mailbox, too
}

type changeKind byte

const (
	messagesAdded   changeKind = 1
	flagsAdded      changeKind = 2
	flagsRemoved    changeKind = 3
	flagsSet        changeKind = 4
	messagesGone    changeKind = 5
	mailboxCreated  changeKind = 6
	mailboxRenamed  changeKind = 7
	mailboxDeleted  changeKind = 8
	subscriptions   changeKind = 9
	mailboxUsed     changeKind = 10 // it has other special uses
	aclChanged      changeKind = 13
	metadataChanged changeKind = 12
	flagsReplaced   changeKind = 11 // flagsSet for some of the flags
)

// treeFeed is the pseudo-mailbox whose feed tells of mailboxes themselves.
const treeFeed MailboxID = 0

// maxModSeq is above every MODSEQ that is given out (RFC 7162 §7).
const maxModSeq ModSeq = math.MaxInt64

// feedRecord is what one commit did to one mailbox.
type feedRecord struct {
	modSeq  ModSeq // in the key
	time    int64  // Unix seconds
	changes []change
}

const feedVersion = 3 // 2: messages added have records of their own; 1: and are without content and zone

func (f *feedRecord) encode() []byte {
	c := record.NewEncoder(64)
	c.Byte(feedVersion)
	c.Int(f.time)
	c.Uint(uint64(len(f.changes)))
	for i := range f.changes {
		f.changes[i].encode(&c, f.time)
	}
	return c.Record()
}

func (ch *change) encode(c *record.Encoder, now int64) {
	c.Byte(byte(ch.kind))
	switch ch.kind {
	case messagesAdded:
		c.Uint(uint64(len(ch.added)))
		last := UID(0)
		for _, e := range ch.added {
			c.Uint(uint64(e.UID - last))
			c.Uint(uint64(e.Flags))
			c.Uint(uint64(e.Size))
			c.Int(e.InternalDate - now)
			c.Uint(uint64(e.Content))
			c.Int(int64(e.Zone))
			last = e.UID
		}
	case flagsAdded, flagsRemoved, flagsSet:
		c.Uint(uint64(ch.flags))
		encodeRanges(c, ch.uids)
	case flagsReplaced:
		c.Uint(uint64(ch.flags))
		c.Uint(uint64(ch.mask))
		encodeRanges(c, ch.uids)
	case messagesGone:
		encodeRanges(c, ch.uids)
	case metadataChanged:
		c.Uint(uint64(ch.mailbox))
		c.Uint(uint64(ch.who))
		c.String(ch.entry)
	default:
		c.Uint(uint64(ch.mailbox))
	}
}

func decodeFeed(modSeq ModSeq, b []byte) (*feedRecord, error) {
	d := record.NewDecoder(b)
	version, err := d.Version(feedVersion, "store: a record of the feed")
	if err != nil {
		return nil, err
	}
	f := &feedRecord{modSeq: modSeq, time: d.Int()}
	for range d.Count(2) {
		ch, err := decodeChange(&d, version, f)
		if err != nil {
			return nil, err
		}
		f.changes = append(f.changes, ch)
	}
	return f, d.Done("store: a record of the feed")
}

func decodeChange(d *record.Decoder, version byte, f *feedRecord) (ch change, err error) {
	ch.kind = changeKind(d.Byte())
	switch ch.kind {
	case messagesAdded:
		ch.added = make([]Entry, d.Count(4))
		last := UID(0)
		for i := range ch.added {
			last += UID(d.Uint())
			ch.added[i] = Entry{UID: last, Flags: Flags(d.Uint()), Size: uint32(d.Uint()), ModSeq: f.modSeq}
			ch.added[i].InternalDate = f.time + d.Int()
			if ch.added[i].Zone = UnknownZone; version > 1 {
				ch.added[i].Content, ch.added[i].Zone = EmailID(d.Uint()), int16(d.Int())
			}
			if version > 2 {
				ch.added[i].Saved = savedAt(f.time)
			}
		}
	case flagsAdded, flagsRemoved, flagsSet:
		ch.flags = Flags(d.Uint())
		ch.uids = decodeRanges(d)
	case flagsReplaced:
		ch.flags = Flags(d.Uint())
		ch.mask = Flags(d.Uint())
		ch.uids = decodeRanges(d)
	case messagesGone:
		ch.uids = decodeRanges(d)
	case metadataChanged:
		ch.mailbox = MailboxID(d.Uint())
		ch.who = AccountID(d.Uint())
		ch.entry = d.String()
	case mailboxCreated, mailboxRenamed, mailboxDeleted, subscriptions, mailboxUsed, aclChanged:
		ch.mailbox = MailboxID(d.Uint())
	default:
		return ch, fault.New(fault.Corrupt, "store: the feed has a change of kind %d, which this program does not know", ch.kind)
	}
	return ch, d.Done("store: a change in the feed")
}

// changed is the flags of a message after the change.
func (ch *change) changed(f Flags) Flags {
	switch ch.kind {
	case flagsAdded:
		return f | ch.flags
	case flagsRemoved:
		return f &^ ch.flags
	case flagsReplaced:
		return f&^ch.mask | ch.flags
	default:
		return ch.flags
	}
}

// messages is how many messages a change touches at the most, for weighing it.
func (ch *change) messages() uint64 {
	n := uint64(len(ch.added))
	for _, r := range ch.uids {
		n += uint64(r.Last-r.First) + 1
	}
	return n
}
