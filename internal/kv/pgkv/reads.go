package pgkv

import (
	"context"
	"encoding/binary"

	"posthorn/internal/kv"
)

// reads is what View and Update have in common: reading within one transaction,
// on behalf of a ctx that the connection attends to.
type reads struct {
	ctx    context.Context
	what   string // for errors
	conn   *conn
	unread int   // results before the next one asked for, which hold nothing
	err    error // ends the transaction
}

// get is one round trip. The value is the caller's.
func (r *reads) get(shard, key []byte) (value []byte, ok bool, err error) {
	r.conn.send(get, shard, bytea(key))
	if err := r.ask(); err != nil {
		return nil, false, err
	}
	value, ok, err = r.conn.row(r.ctx)
	return value, ok, r.fail(err)
}

// getEach is one round trip.
func (r *reads) getEach(shard []byte, keys [][]byte, fn func(i int, value []byte, ok bool) bool) error {
	if len(keys) == 0 {
		return nil
	}
	size := 0
	for _, key := range keys {
		size += len(key)
	}
	wanted := newByteaArray(len(keys), size)
	for _, key := range keys {
		wanted.add(key)
	}
	r.conn.send(getEach, shard, wanted.encoded)
	if err := r.ask(); err != nil {
		return err
	}
	next, more := 0, true
	missing := func(before int) bool {
		for ; more && next < before; next++ {
			more = fn(next, nil, false)
		}
		return more
	}
	err := r.conn.rows(r.ctx, func(row [][]byte) bool {
		if at := int(binary.BigEndian.Uint64(row[0])) - 1; missing(at) {
			more = fn(at, row[1], true)
			next = at + 1
		}
		return more
	})
	if err != nil {
		return r.fail(err)
	}
	missing(len(keys))
	return nil
}

// scan goes through ranges, which have the direction and the limit of the first,
// until fn returns false. It is one round trip.
func (r *reads) scan(shard []byte, ranges []kv.Range, fn func(key, value []byte) bool) error {
	if len(ranges) == 0 {
		return nil
	}
	for _, each := range ranges {
		r.sendScan(shard, each)
	}
	if err := r.ask(); err != nil {
		return err
	}
	more := true
	for range ranges {
		if !more {
			if err := r.conn.skip(1); err != nil {
				return r.fail(err)
			}
			continue
		}
		err := r.conn.rows(r.ctx, func(row [][]byte) bool {
			more = fn(row[0], row[1])
			return more
		})
		if err != nil {
			return r.fail(err)
		}
	}
	return nil
}

func (r *reads) sendScan(shard []byte, which kv.Range) {
	args := [][]byte{shard, bytea(which.From), nil}
	if which.Limit > 0 {
		args[2] = bigint(int64(which.Limit))
	}
	s := scanUpFrom
	switch {
	case which.To != nil && which.Reverse:
		s, args = scanDown, append(args, which.To)
	case which.To != nil:
		s, args = scanUp, append(args, which.To)
	case which.Reverse:
		s = scanDownFrom
	}
	r.conn.send(s, args...)
}

// ask sends what is queued, and passes over the results before those that the
// caller wants.
func (r *reads) ask() error {
	if r.err != nil {
		return r.err
	}
	if err := r.conn.ask(); err != nil {
		return r.fail(err)
	}
	unread := r.unread
	r.unread = 0
	return r.fail(r.conn.skip(unread))
}

// fail gives the error for err, which ends the transaction.
func (r *reads) fail(err error) error {
	if err != nil && r.err == nil {
		r.err = failure(r.ctx, r.what, err)
	}
	return r.err
}
