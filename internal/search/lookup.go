package search

import (
	"bytes"

	"posthorn/internal/kv"
)

// lookup finds the messages of a segment that meet terms.
type lookup struct {
	reader  kv.Reader
	segment *segment
	field   field
}

// run gives the messages that meet all terms of a plan.
func (l *lookup) run(p plan) (bitset, error) {
	var found bitset
	for _, where := range []place{exact, begins, ends, inside} { // the cheap ones first
		for _, t := range p.terms {
			if t.place != where || found != nil && found.empty() {
				continue
			}
			got, err := l.term(t)
			switch {
			case err != nil:
				return nil, err
			case found == nil:
				found = got
			default:
				found.intersect(got)
			}
		}
	}
	return found, nil
}

// matched is a block with words that a term fits.
type matched struct {
	first []byte   // its first word
	words []uint32 // the numbers of these words
}

// manyBlocks is from how many blocks on they are read in one scan.
const manyBlocks = 8

func (l *lookup) term(t term) (bitset, error) {
	found := newBitset(l.segment.width())
	blocks, err := l.dictionaries(t)
	if err != nil || len(blocks) == 0 {
		return found, err
	}
	prefix := fieldPrefix(postings, l.segment.id, l.field)
	if len(blocks) < manyBlocks {
		for _, b := range blocks {
			v, ok, err := l.reader.Get(append(prefix[:keyPrefix:keyPrefix], b.first...))
			if err == nil && !ok {
				err = errLists
			}
			if err == nil {
				err = found.addLists(v, b.words)
			}
			if err != nil {
				return nil, err
			}
		}
		return found, nil
	}
	var failed error
	at := 0
	all := int(l.segment.width())
	err = l.reader.Scan(kv.Range{From: append(prefix, blocks[0].first...), To: kv.PrefixEnd(prefix)}, func(k, v []byte) bool {
		if !bytes.Equal(k[keyPrefix:], blocks[at].first) {
			return true
		}
		failed = found.addLists(v, blocks[at].words)
		at++
		return failed == nil && at < len(blocks) && found.count() < all
	})
	if failed == nil && err == nil && at < len(blocks) && found.count() < all {
		failed = errLists
	}
	if failed != nil {
		return nil, failed
	}
	return found, err
}

// addLists adds the messages of these lists of a block.
func (s bitset) addLists(block []byte, numbers []uint32) error {
	l, err := openLists(block)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		list, err := l.list(n)
		if err != nil {
			return err
		}
		if err := s.addList(list); err != nil {
			return err
		}
	}
	return nil
}

// dictionaries finds the words that fit a term.
func (l *lookup) dictionaries(t term) ([]matched, error) {
	prefix := fieldPrefix(dictionaries, l.segment.id, l.field)
	rg := kv.Prefix(prefix)
	if t.place == exact || t.place == begins {
		// The words lie from the last block on that begins with no later one.
		at := append(bytes.Clone(prefix), t.text...)
		before := kv.Range{From: prefix, To: append(bytes.Clone(at), 0), Reverse: true, Limit: 1}
		err := l.reader.Scan(before, func(k, _ []byte) bool {
			rg.From = bytes.Clone(k)
			return false
		})
		if err != nil {
			return nil, err
		}
		if rg.To = kv.PrefixEnd(at); t.place == exact {
			rg.To = append(at, 0)
		}
	}
	var all []matched
	var failed error
	pattern := t.pattern()
	err := l.reader.Scan(rg, func(k, v []byte) bool {
		d, err := openDictionary(v)
		if err != nil {
			failed = err
			return false
		}
		if words := matches(nil, d, pattern); len(words) > 0 {
			all = append(all, matched{bytes.Clone(k[keyPrefix:]), words})
		}
		return true
	})
	if failed != nil {
		return nil, failed
	}
	return all, err
}
