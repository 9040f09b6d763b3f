package store

import (
	"bytes"
	"context"
	"encoding/binary"

	"posthorn/internal/blob"
	"posthorn/internal/kv"
)

// Content is a message without regard to where it lies: what all its copies share.
type Content struct {
	EmailID         EmailID
	Headers         []byte // as in Record
	HeadersComplete bool
	Layout          []byte
	Damaged         bool // it cannot be read, now at least

	account *Account
	data    []byte
	blob    blob.ID
}

// Open gives the message itself.
func (c *Content) Open(ctx context.Context) (Body, error) {
	if c.blob != "" {
		return c.account.store.blobs.Open(ctx, c.blob)
	}
	return inlineBody{bytes.NewReader(c.data)}, nil
}

// contentPlace is a content and one of the messages that have it.
type contentPlace struct {
	emailPlace
	uid UID
}

// Contents reads contents after an EmailID, in order, until there are so many, or so
// many bytes of them. No content up to last is left out; there is more if last is
// below newest. Contents given out later are above newest. An account that nobody has
// used has none, and does not come into being.
func (a *Account) Contents(ctx context.Context, after EmailID, count, size int) (contents []Content, last, newest EmailID, err error) {
	err = a.store.engine.View(ctx, a.shard, func(r kv.Reader) error {
		contents, last, newest = nil, after, after
		if _, ok, err := r.Get(keyHead); err != nil || !ok {
			return err
		}
		h, err := readHead(r)
		if err != nil {
			return err
		}
		newest = h.lastEmail
		places, err := contentPlaces(r, after, count)
		if err != nil {
			return err
		}
		left := size
		for _, p := range places {
			c, err := a.readContent(r, p)
			if err != nil {
				return err
			}
			contents, last = append(contents, c), p.email
			if left -= len(c.data) + len(c.Headers) + len(c.Layout); left <= 0 {
				return nil
			}
		}
		if len(places) < count {
			last = newest
		}
		return nil
	})
	return contents, last, newest, err
}

// contentPlaces finds the next contents, and a message of each.
func contentPlaces(r kv.Reader, after EmailID, count int) ([]contentPlace, error) {
	var places []contentPlace
	err := r.Scan(kv.Range{From: emailPrefix(after + 1), To: []byte{'E' + 1}}, func(k, _ []byte) bool {
		p, uid := splitEmailKey(k)
		if n := len(places); n > 0 && places[n-1].email == p.email {
			return true
		}
		if len(places) == count {
			return false
		}
		places = append(places, contentPlace{p, uid})
		return true
	})
	return places, err
}

// readContent reads a content. Damage concerns nothing but this one.
func (a *Account) readContent(r kv.Reader, p contentPlace) (Content, error) {
	c := Content{EmailID: p.email, Damaged: true, account: a}
	raw, ok, err := r.Get(keyContent(p.email))
	if err == nil && !ok {
		raw, ok, err = r.Get(keyRecord(p.mailbox, p.uid))
	}
	if err != nil || !ok {
		return c, err
	}
	var rec Record
	if err := rec.decode(bytes.Clone(raw)); err != nil || rec.EmailID != p.email {
		return c, nil // Damaged says so
	}
	stored, ok, err := r.Get(keyBody(p.email))
	if err != nil || !ok {
		return c, err
	}
	data, id, err := decodeBody(stored)
	if err != nil {
		return c, nil // Damaged says so
	}
	c.Headers, c.HeadersComplete, c.Layout = rec.Headers, rec.HeadersComplete, rec.Layout
	c.data, c.blob, c.Damaged = bytes.Clone(data), id, false
	return c, nil
}

// EachContent calls fn with the EmailIDs from first to last that any message still
// has, in order.
func (a *Account) EachContent(ctx context.Context, first, last EmailID, fn func(EmailID)) error {
	return a.view(ctx, func(r kv.Reader) error {
		return r.Scan(kv.Range{From: emailPrefix(first), To: emailPrefix(last + 1)}, func(k, _ []byte) bool {
			fn(EmailID(binary.BigEndian.Uint64(k[1:])))
			return ctx.Err() == nil
		})
	})
}
