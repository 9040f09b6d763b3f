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
	return a.view(ctx, func(r kv.Reader) error {
		b := bodyReaders.Get().(*bodyReader)
		defer b.release()
		b.account, b.reader, b.snap = a, r, snap
		for _, rg := range normalize(rs) {
			for {
				if err := b.fill(rg); err != nil {
					return err
				}
				for _, one := range b.batch {
					rec, body := b.read(one)
					if !fn(one.seq, one.entry, rec, body) {
						return nil
					}
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
const bodiesAtOnce = 32

// bodyReader reads messages with their bodies, a batch of records at a time.
type bodyReader struct {
	account *Account
	reader  kv.Reader
	snap    *Snapshot
	batch   []located
	copies  []byte // the records of the batch, one behind the other
	record  Record
}

// bodyReaders keeps the buffers of readers that are done.
var bodyReaders = sync.Pool{New: func() any { return new(bodyReader) }}

func (b *bodyReader) release() {
	b.account, b.reader, b.snap, b.record = nil, nil, nil, Record{}
	bodyReaders.Put(b)
}

// located is a message and where its record lies in copies; from is negative if it
// has none.
type located struct {
	seq      int
	entry    Entry
	from, to int
}

// fill reads the next batch of records.
func (b *bodyReader) fill(rg UIDRange) error {
	b.batch, b.copies = b.batch[:0], b.copies[:0]
	w := recordWalk{b.reader, b.snap, func(seq int, e Entry, raw []byte) bool {
		one := located{seq, e, -1, -1}
		if raw != nil {
			one.from, one.to = len(b.copies), len(b.copies)+len(raw)
			b.copies = append(b.copies, raw...)
		}
		b.batch = append(b.batch, one)
		return len(b.batch) < bodiesAtOnce
	}}
	_, err := w.run(rg)
	return err
}

// read decodes a record and reads its body, if that is inline.
func (b *bodyReader) read(one located) (*Record, []byte) {
	if one.from < 0 {
		return nil, nil
	}
	rec := b.account.decode(&b.record, b.snap, one.entry.UID, b.copies[one.from:one.to])
	if rec == nil {
		return nil, nil
	}
	stored, err := mustGet(b.reader, keyBody(rec.EmailID), "a message's body")
	if err == nil {
		var data []byte
		if data, _, err = decodeBody(stored); err == nil {
			return rec, data
		}
	}
	b.account.damaged(b.snap.id, one.entry.UID, err)
	return nil, nil
}

// Body opens a message of a snapshot, also one that was expunged since, as long as
// it can be brought back.
func (a *Account) Body(ctx context.Context, snap *Snapshot, uid UID) (Body, error) {
	var data []byte
	var id blob.ID
	err := a.view(ctx, func(r kv.Reader) error {
		data, id = nil, ""
		rec, ok, err := r.Get(keyRecord(snap.id, uid))
		if err != nil {
			return err
		}
		if !ok {
			return fault.New(fault.NotFound, "store: message %d of mailbox %d is gone", uid, snap.id)
		}
		email, err := recordEmail(rec)
		if err != nil {
			return err
		}
		b, err := mustGet(r, keyBody(email), "a message's body")
		if err != nil {
			return err
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
