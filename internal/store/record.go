package store

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/record"
)

// Record is what is kept of a message beside its body: all that a list of mail
// shows, in the form in which it is sent. Its slices are valid until the callback
// that got it returns.
type Record struct {
	UID             UID
	EmailID         EmailID
	SaveDate        time.Time // when it came into this mailbox (RFC 8514)
	InternalDate    time.Time // with the zone it was given in
	Size            int64     // bytes
	Envelope        []byte    // ENVELOPE as IMAP sends it
	BodyStructure   []byte    // BODYSTRUCTURE as IMAP sends it
	Headers         []byte    // raw lines of the fields that CachedHeader names, in their order
	HeadersComplete bool      // Headers holds all of them
	Preview         []byte    // RFC 8970, UTF-8
	Layout          []byte    // message.ParseLayout
}

const (
	recordVersion  = 1
	recordComplete = 1 // bit: HeadersComplete
	saveDateAt     = 2 + 8
	recordFixed    = 2 + 3*8
)

// content is the part of a record that all copies of a message share.
type content struct {
	size            int64
	envelope        []byte
	bodyStructure   []byte
	headers         []byte
	headersComplete bool
	preview         string
	layout          []byte
}

// tail encodes the content; encodeRecord puts what differs between copies before it.
func (ct *content) tail() []byte {
	n := len(ct.envelope) + len(ct.bodyStructure) + len(ct.headers) + len(ct.preview) + len(ct.layout)
	c := record.NewEncoder(n + 6*binary.MaxVarintLen32)
	c.Uint(uint64(ct.size))
	c.Bytes(ct.envelope)
	c.Bytes(ct.bodyStructure)
	c.Bytes(ct.headers)
	c.String(ct.preview)
	c.Bytes(ct.layout)
	return c.Record()
}

func encodeRecord(email EmailID, saved, internal time.Time, complete bool, tail []byte) []byte {
	c := record.NewEncoder(recordFixed + binary.MaxVarintLen16 + len(tail))
	c.Byte(recordVersion)
	var bits byte
	if complete {
		bits |= recordComplete
	}
	c.Byte(bits)
	c.Fixed(uint64(email))
	c.Fixed(uint64(saved.Unix()))
	c.Fixed(uint64(internal.Unix()))
	_, offset := internal.Zone()
	c.Int(int64(offset / 60))
	c.Raw(tail)
	return c.Record()
}

func (rec *Record) decode(b []byte) error {
	d := record.NewDecoder(b)
	if _, err := d.Version(recordVersion, "store: a message's record"); err != nil {
		return err
	}
	rec.HeadersComplete = d.Byte()&recordComplete != 0
	rec.EmailID = EmailID(d.Fixed())
	rec.SaveDate = time.Unix(int64(d.Fixed()), 0)
	rec.InternalDate = time.Unix(int64(d.Fixed()), 0)
	rec.InternalDate = rec.InternalDate.In(zone(int(d.Int())))
	rec.Size = int64(d.Uint())
	rec.Envelope = d.Bytes()
	rec.BodyStructure = d.Bytes()
	rec.Headers = d.Bytes()
	rec.Preview = d.Bytes()
	rec.Layout = d.Bytes()
	return d.Done("store: a message's record")
}

// zone is the time zone this many minutes east of UTC.
func zone(minutes int) *time.Location {
	if minutes == 0 {
		return time.UTC
	}
	return time.FixedZone("", minutes*60)
}

// setRecordEmail puts another number of its content into a record.
func setRecordEmail(record []byte, email EmailID) {
	binary.BigEndian.PutUint64(record[2:], uint64(email))
}

// recordEmail reads only the EmailID out of a record.
func recordEmail(b []byte) (EmailID, error) {
	if len(b) < recordFixed || b[0] != recordVersion {
		return 0, fault.New(fault.Corrupt, "store: a message's record does not decode")
	}
	return EmailID(binary.BigEndian.Uint64(b[2:])), nil
}

// Records calls fn with the records of the messages of snap in these ranges, in UID
// order, until it returns false. One scan reads each range. A message whose record
// is gone (expunged and removed since) or damaged comes with a nil Record. fn runs
// inside the engine's View: it must copy what it needs, not block, and not call the
// store.
func (a *Account) Records(ctx context.Context, snap *Snapshot, rs []UIDRange, fn func(seq int, e Entry, r *Record) bool) error {
	return a.view(ctx, func(r kv.Reader) error {
		var rec Record
		w := recordWalk{most: readAtOnce, fn: func(seq int, e Entry, raw []byte) bool {
			return fn(seq, e, a.decode(&rec, snap, &e, raw))
		}}
		w.begin(r, snap)
		for _, rg := range normalize(rs) {
			if more, err := w.run(rg); err != nil || !more {
				return err
			}
		}
		return nil
	})
}

// decode reads a record; nil if there is none or if it is damaged, which concerns
// this one content only.
func (a *Account) decode(rec *Record, snap *Snapshot, e *Entry, raw []byte) *Record {
	if raw == nil {
		return nil
	}
	*rec = Record{UID: e.UID}
	if err := rec.of(e, raw); err != nil {
		a.damaged(snap.id, e.UID, err)
		return nil
	}
	return rec
}

// of reads the record of a message.
func (rec *Record) of(e *Entry, raw []byte) error {
	if err := rec.decode(raw); err != nil {
		return err
	}
	if e.inMailbox() {
		return nil
	}
	if rec.EmailID != e.Content {
		return fault.New(fault.Corrupt, "store: the record of content %d says that it is of content %d", e.Content, rec.EmailID)
	}
	rec.SaveDate = time.Unix(int64(e.Saved), 0)
	return nil
}

// damaged logs trouble with one message.
func (a *Account) damaged(m MailboxID, u UID, err error) {
	a.store.log.Error("damaged message", "account", a.id, "mailbox", m, "uid", u, "error", err)
}

// recordWalk goes through the stored records beside the entries of a snapshot. fn
// gets nil for a message without a record.
type recordWalk struct {
	reader   kv.Reader
	snap     *Snapshot
	fn       func(seq int, e Entry, raw []byte) bool
	most     int // messages that are read together
	contents contentReader
	emails   []EmailID // buffer
}

// begin prepares a walk, which keeps its buffers.
func (w *recordWalk) begin(r kv.Reader, snap *Snapshot) {
	w.reader, w.snap = r, snap
	w.contents.reader, w.contents.kind, w.contents.near = r, 'C', nearRecords
}

// run visits the messages of one range.
func (w *recordWalk) run(rg UIDRange) (more bool, err error) {
	next, last := w.snap.SeqFrom(rg.First), w.snap.Len()
	if rg.Last != ^UID(0) {
		last = w.snap.SeqFrom(rg.Last+1) - 1
	}
	for more = true; more && err == nil && next <= last; {
		n, inMailbox := w.together(next, last)
		if inMailbox {
			more, err = w.inMailbox(next, next+n-1)
		} else {
			more, err = w.byContent(next)
		}
		next += n
	}
	return more, err
}

// together is how many messages have their records in one place, and which that is.
// It gathers their contents.
func (w *recordWalk) together(next, last int) (n int, inMailbox bool) {
	at := w.snap.cursor(next)
	inMailbox = at.entry().inMailbox()
	w.emails = slices.Grow(w.emails[:0], min(last-next+1, w.most))
	for ; next+n <= last && n < w.most && at.entry().inMailbox() == inMailbox; n++ {
		w.emails = append(w.emails, at.entry().Content)
		at.next()
	}
	return n, inMailbox
}

// byContent visits the messages whose contents together has gathered.
func (w *recordWalk) byContent(first int) (more bool, err error) {
	at := w.snap.cursor(first)
	return w.contents.each(w.emails, func(i int, raw []byte) bool {
		e := *at.entry()
		at.next()
		return w.fn(first+i, e, raw)
	})
}

// inMailbox visits messages that came before copies shared their records.
func (w *recordWalk) inMailbox(next, last int) (more bool, err error) {
	more = true
	at := w.snap.cursor(next)
	visit := func(raw []byte) {
		e := *at.entry()
		at.next()
		more = w.fn(next, e, raw)
		next++
	}
	rg := UIDRange{w.snap.At(next).UID, w.snap.At(last).UID}
	err = w.reader.Scan(recordRange(w.snap.id, rg), func(k, v []byte) bool {
		uid := uidOf(k)
		for more && next <= last && at.entry().UID < uid {
			visit(nil)
		}
		// Other records are of messages that are expunged, or not yet in snap.
		if more && next <= last && at.entry().UID == uid {
			visit(v)
		}
		return more && next <= last
	})
	for err == nil && more && next <= last {
		visit(nil)
	}
	return more, err
}

// cursor walks a snapshot's entries without a search for each.
type cursor struct {
	chunks []*chunk
	i      int
}

func (s *Snapshot) cursor(seq int) cursor {
	c := s.chunkAt(seq)
	return cursor{s.chunks[c:], seq - 1 - int(s.starts[c])}
}

func (c *cursor) entry() *Entry { return &c.chunks[0].entries[c.i] }

func (c *cursor) next() {
	if c.i++; c.i == len(c.chunks[0].entries) && len(c.chunks) > 1 {
		c.chunks, c.i = c.chunks[1:], 0
	}
}
