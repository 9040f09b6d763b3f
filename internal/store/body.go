package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"sync"

	"posthorn/internal/blob"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// The two forms of a body's record: the bytes themselves with their checksum, or
// the name of the blob that holds them.
const (
	bodyInline = 1 // crc32c (4 bytes), data
	bodyBlob   = 2 // blob.ID
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Body is a stored message: as it is sent, CRLF and all.
type Body interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// inlineBody is a body that came with its record.
type inlineBody struct{ *bytes.Reader }

func (inlineBody) Close() error { return nil }

// inlineHead is what stands before the bytes of an inline body, its checksum empty.
var inlineHead = [5]byte{bodyInline}

// sealInline fills in the checksum of an inline body's record.
func sealInline(record []byte) {
	binary.BigEndian.PutUint32(record[1:], crc32.Checksum(record[len(inlineHead):], castagnoli))
}

// encodeBlob gives the record of a body in the blob store.
func encodeBlob(id blob.ID) []byte { return append([]byte{bodyBlob}, id...) }

// decodeBody gives the bytes of a body, or the blob that holds them.
func decodeBody(b []byte) (data []byte, id blob.ID, err error) {
	switch {
	case b == nil:
		return nil, "", fault.New(fault.Corrupt, "store: a message's body is missing")
	case len(b) >= len(inlineHead) && b[0] == bodyInline:
		data = b[len(inlineHead):]
		if crc32.Checksum(data, castagnoli) != binary.BigEndian.Uint32(b[1:]) {
			return nil, "", fault.New(fault.Corrupt, "store: a body does not match its checksum")
		}
		return data, "", nil
	case len(b) > 1 && b[0] == bodyBlob:
		return nil, blob.ID(b[1:]), nil
	}
	return nil, "", fault.New(fault.Corrupt, "store: a body's record does not decode")
}

// Bodies is Records with the messages themselves: body is the whole message if it is
// stored inline, nil if it is large and must be opened with Body. It is valid until
// fn returns. A message that cannot be read comes with a nil Record.
func (a *Account) Bodies(ctx context.Context, snap *Snapshot, rs []UIDRange, fn func(seq int, e Entry, r *Record, body []byte) bool) error {
	return a.bodies(ctx, snap, rs, false, fn)
}

// Whole is Bodies for who wants nothing but the messages themselves: their records are not
// read, and Record may hold no more than EmailID and Size.
func (a *Account) Whole(ctx context.Context, snap *Snapshot, rs []UIDRange, fn func(seq int, e Entry, r *Record, body []byte) bool) error {
	return a.bodies(ctx, snap, rs, true, fn)
}

func (a *Account) bodies(ctx context.Context, snap *Snapshot, rs []UIDRange, bare bool, fn func(seq int, e Entry, r *Record, body []byte) bool) error {
	return a.view(ctx, func(r kv.Reader) error {
		b := bodyReaders.Get().(*bodyReader)
		defer b.release()
		b.account, b.snap, b.bare = a, snap, bare
		b.bodies.reader, b.bodies.kind, b.bodies.near = r, 'B', nearBodies
		b.records.most, b.records.fn = bodiesAtOnce, b.keep
		b.records.begin(r, snap)
		for _, rg := range normalize(rs) {
			for {
				if err := b.fill(rg); err != nil {
					return err
				}
				if more, err := b.read(fn); err != nil || !more {
					return err
				}
				if len(b.batch) < bodiesAtOnce {
					break
				}
				rg.First = b.batch[len(b.batch)-1].entry.UID + 1
			}
		}
		return nil
	})
}

// bodiesAtOnce is how many records Bodies copies out of a scan before it reads
// their bodies, which it cannot do during the scan.
const bodiesAtOnce = 64

// bodyReader reads messages with their bodies, a batch of records at a time.
type bodyReader struct {
	account *Account
	snap    *Snapshot
	records recordWalk
	bodies  contentReader
	bare    bool // without records, where entries tell the contents
	batch   []located
	copies  []byte    // the records of the batch, one behind the other
	emails  []EmailID // of the batch; 0 where there is no record
	record  Record
}

// bodyReaders keeps the buffers of readers that are done.
var bodyReaders = sync.Pool{New: func() any { return new(bodyReader) }}

func (b *bodyReader) release() {
	b.account, b.snap, b.record, b.bodies.reader = nil, nil, Record{}, nil
	b.records.begin(nil, nil)
	bodyReaders.Put(b)
}

// located is a message and where its record lies in copies; from is negative if it
// has none.
type located struct {
	seq      int
	entry    Entry
	from, to int
}

// fill gathers the next batch.
func (b *bodyReader) fill(rg UIDRange) error {
	b.reset()
	if b.bare {
		told := true
		b.snap.EachUID([]UIDRange{rg}, func(seq int, e Entry) bool {
			told = e.Content != 0
			return told && b.keep(seq, e, nil)
		})
		if told {
			return nil
		}
		b.reset()
	}
	_, err := b.records.run(rg)
	return err
}

func (b *bodyReader) reset() { b.batch, b.copies, b.emails = b.batch[:0], b.copies[:0], b.emails[:0] }

// keep takes a record into the batch, until that is full.
func (b *bodyReader) keep(seq int, e Entry, raw []byte) bool {
	one := located{seq, e, -1, -1}
	email := e.Content
	if raw != nil {
		one.from, one.to = len(b.copies), len(b.copies)+len(raw)
		b.copies = append(b.copies, raw...)
		if email == 0 {
			email, _ = recordEmail(raw) // decode will complain
		}
	}
	b.batch, b.emails = append(b.batch, one), append(b.emails, email)
	return len(b.batch) < bodiesAtOnce
}

// read goes through the bodies of the batch.
func (b *bodyReader) read(fn func(seq int, e Entry, r *Record, body []byte) bool) (more bool, err error) {
	return b.bodies.each(b.emails, func(i int, stored []byte) bool {
		one := &b.batch[i]
		rec := b.recordOf(one)
		if rec == nil {
			return fn(one.seq, one.entry, nil, nil)
		}
		data, _, err := decodeBody(stored)
		if err != nil {
			b.account.damaged(b.snap.id, one.entry.UID, err)
			rec = nil
		}
		return fn(one.seq, one.entry, rec, data)
	})
}

// recordOf gives the record of a message; nil if it is missing or damaged.
func (b *bodyReader) recordOf(one *located) *Record {
	switch {
	case one.from >= 0:
		return b.account.decode(&b.record, b.snap, &one.entry, b.copies[one.from:one.to])
	case b.bare && one.entry.Content != 0:
		b.record = Record{UID: one.entry.UID, EmailID: one.entry.Content, Size: int64(one.entry.Size)}
		return &b.record
	}
	return nil
}

// Body opens a message of a snapshot, also one that was expunged since, as long as
// it can be brought back.
func (a *Account) Body(ctx context.Context, snap *Snapshot, uid UID) (Body, error) {
	var data []byte
	var id blob.ID
	err := a.view(ctx, func(r kv.Reader) error {
		data, id = nil, ""
		email, err := snap.contentOf(r, uid)
		if err != nil {
			return err
		}
		b, ok, err := r.Get(keyBody(email))
		switch {
		case err != nil:
			return err
		case !ok:
			return missingBody(r, email, snap.id, uid)
		}
		data, id, err = decodeBody(b)
		data = bytes.Clone(data)
		return err
	})
	if err != nil {
		return nil, err
	}
	if id != "" {
		return a.store.blobs.Open(ctx, id)
	}
	return inlineBody{bytes.NewReader(data)}, nil
}

// contentOf gives the content of one of the messages.
func (s *Snapshot) contentOf(r kv.Reader, uid UID) (EmailID, error) {
	if seq, ok := s.Seq(uid); ok {
		if e := s.At(seq); e.Content != 0 {
			return e.Content, nil
		}
	}
	rec, ok, err := r.Get(keyRecord(s.id, uid))
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, errGone(s.id, uid)
	}
	return recordEmail(rec)
}

func errGone(m MailboxID, u UID) error {
	return fault.New(fault.NotFound, "store: message %d of mailbox %d is gone", u, m)
}

// missingBody says why there is no body: nothing refers to it any more, or it should be
// there.
func missingBody(r kv.Reader, email EmailID, m MailboxID, u UID) error {
	_, due, err := r.Get(keyEmail(email, m, u))
	switch {
	case err != nil:
		return err
	case due:
		return fault.New(fault.Corrupt, "store: the body of message %d of mailbox %d is missing", u, m)
	}
	return errGone(m, u)
}
