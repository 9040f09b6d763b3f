package search

import (
	"bytes"
	"context"
	"fmt"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/store"
)

// Verify reads every index and reports what is wrong with it. The error is of reading
// at all.
func (x *Index) Verify(ctx context.Context, report func(problem string)) error {
	return x.each(ctx, func(id store.AccountID) error {
		err := x.engine.View(ctx, shardOf(id), func(r kv.Reader) error { return verify(r) })
		if fault.Is(err, fault.Corrupt) {
			report(fmt.Sprintf("account %d: its search index: %v; run: posthorn index rebuild", id, err))
			return nil
		}
		return err
	})
}

// verify proves that an index decodes.
func verify(r kv.Reader) error {
	h, err := readHead(r)
	if err != nil || h == nil {
		return err
	}
	for i := range h.segments {
		for f := range numFields {
			if err := verifyField(r, &h.segments[i], f); err != nil {
				return fault.New(fault.Corrupt, "segment %d, field %d: %w", h.segments[i].id, f, err)
			}
		}
	}
	return nil
}

// verifyField: words ascend, and each has a list of messages of the segment.
func verifyField(r kv.Reader, s *segment, f field) error {
	prefix := fieldPrefix(dictionaries, s.id, f)
	var last []byte
	found := newBitset(s.width())
	for rg := kv.Prefix(prefix); ; {
		rg.Limit = 1
		var key, dictionary []byte
		err := r.Scan(rg, func(k, v []byte) bool {
			key, dictionary = bytes.Clone(k), bytes.Clone(v)
			return false
		})
		if err != nil || key == nil {
			return err
		}
		rg.From = append(key, 0)
		if dictionary, err = openDictionary(dictionary); err != nil {
			return err
		}
		b, ok, err := r.Get(append([]byte{postings}, key[1:]...))
		if err != nil || !ok {
			return fault.New(fault.Corrupt, "the lists of a block are missing (%v)", err)
		}
		l, err := openLists(b)
		if err != nil {
			return err
		}
		words := bytes.Split(dictionary[1:len(dictionary)-1], []byte{'\n'})
		for n, word := range words {
			if n == 0 && !bytes.Equal(key[keyPrefix:], word) || bytes.Compare(last, word) >= 0 {
				return fault.New(fault.Corrupt, "its words are out of order")
			}
			last = word
			list, err := l.list(uint32(n))
			if err != nil {
				return err
			}
			if err := found.addList(list); err != nil {
				return err
			}
		}
	}
}
