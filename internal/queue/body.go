package queue

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"

	"posthorn/internal/blob"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const bodyHead = 4 // bytes of the checksum before a small body

// sealBody is the record of a small body.
func sealBody(data []byte) []byte {
	b := make([]byte, 0, bodyHead+len(data))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(data, castagnoli))
	return append(b, data...)
}

// unsealBody gives the bytes of a small body.
func unsealBody(b []byte) ([]byte, error) {
	if len(b) < bodyHead || crc32.Checksum(b[bodyHead:], castagnoli) != binary.BigEndian.Uint32(b) {
		return nil, fault.New(fault.Corrupt, "queue: a body does not match its checksum")
	}
	return b[bodyHead:], nil
}

// Content is a message as it is to be sent.
type Content interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// open opens a message as it is to be sent. fault.NotFound: it is no longer queued.
// fault.Corrupt: it is damaged, and will not get better.
func (q *Queue) open(ctx context.Context, k key, m *Message) (Content, error) {
	body, err := q.openBody(ctx, k, m.Body)
	if err != nil {
		return nil, err
	}
	return withHeader(m.Header, body), nil
}

func (q *Queue) openBody(ctx context.Context, k key, b Body) (Content, error) {
	if b.Blob != "" {
		r, err := q.blobs.Open(ctx, b.Blob)
		if err != nil || b.Skip == 0 {
			return r, err
		}
		return skipped{io.NewSectionReader(r, b.Skip, b.Len()), r}, nil
	}
	var data []byte
	err := q.engine.View(ctx, k.shard(), func(r kv.Reader) error {
		var err error
		data, err = readBody(r, k)
		return err
	})
	if err != nil {
		return nil, err
	}
	return small{bytes.NewReader(data)}, nil
}

// readBody reads a small body.
func readBody(r kv.Reader, k key) ([]byte, error) {
	v, ok, err := r.Get(keyBody(k.serial()))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "queue: the message is no longer there")
	}
	data, err := unsealBody(v)
	return bytes.Clone(data), err
}

// small is a body that came with its message.
type small struct{ *bytes.Reader }

func (small) Close() error { return nil }

// skipped is a large body without its first bytes.
type skipped struct {
	*io.SectionReader
	blob.Reader
}

func (s skipped) ReadAt(p []byte, off int64) (int, error) { return s.SectionReader.ReadAt(p, off) }
func (s skipped) Size() int64                             { return s.SectionReader.Size() }

// withHeader puts lines in front of a body.
func withHeader(header []byte, body Content) Content {
	if len(header) == 0 {
		return body
	}
	return headed{body, header}
}

// headed is a body with lines in front of it.
type headed struct {
	Content
	header []byte
}

func (h headed) Size() int64 { return int64(len(h.header)) + h.Content.Size() }

// ReadAt reads the lines and goes on in the body.
func (h headed) ReadAt(p []byte, off int64) (int, error) {
	front := int64(len(h.header))
	if off < 0 || off >= front {
		return h.Content.ReadAt(p, off-front)
	}
	n := copy(p, h.header[off:])
	if n == len(p) {
		return n, nil
	}
	rest, err := h.Content.ReadAt(p[n:], 0)
	return n + rest, err
}

// Blobs calls fn for every large body that a queued message refers to, until it
// returns false. It is not one snapshot.
func (q *Queue) Blobs(ctx context.Context, fn func(blob.ID) bool) error {
	for slice := range numSlices {
		more := true
		err := q.engine.View(ctx, sliceShard(slice), func(r kv.Reader) error {
			return r.Scan(kv.Prefix([]byte{'L'}), func(k, _ []byte) bool {
				more = len(k) < 1+8 || fn(blobOf(k))
				return more
			})
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}
