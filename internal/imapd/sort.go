package imapd

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"posthorn/internal/casemap"
	"posthorn/internal/imapwire"
)

// sort is SORT (RFC 5256 §3): a search whose answer is in another order. With RETURN it
// is answered as a search is (RFC 5267 §3).
func (s *session) sort(ctx context.Context, c *command) error {
	var criteria []imapwire.SortCriterion
	var o imapwire.SearchOptions
	if !s.dec.SP() || !s.dec.Sort(&criteria, &o) || !s.dec.End() {
		return s.syntax()
	}
	q, hits, err := s.find(ctx, c, &o)
	if err == nil {
		hits, err = s.inOrder(ctx, criteria, q, hits)
	}
	if err != nil {
		return s.savingNothing(&o, err)
	}
	a := answer{box: s.box, command: c, options: &o, query: q, hits: hits}
	if !o.Extended {
		return s.tellNumbers("SORT", &a)
	}
	if err := s.tellESearch(&a); err != nil {
		return err
	}
	s.keepUpdated(&a, criteria)
	return nil
}

// inOrder sorts what was found. Equal messages stay in the order of the mailbox, also
// with REVERSE (RFC 5256 §3).
func (s *session) inOrder(ctx context.Context, criteria []imapwire.SortCriterion, q *query, hits []hit) ([]hit, error) {
	for _, c := range criteria {
		if c.Key == imapwire.SortRelevancy && !q.fuzzy { // RFC 6203 §6
			return nil, bad("RELEVANCY is for FUZZY searches")
		}
	}
	k := newSortKeys(criteria, len(hits), q.collation)
	for i, h := range hits {
		k.fromEntry(i, h, s.box.view.At(h.seq))
	}
	if k.needHeader {
		err := s.eachHeader(ctx, hits, func(i int, header []byte) { k.fromHeader(i, header) })
		if err != nil {
			return nil, err
		}
	}
	sorted := make([]hit, len(hits))
	for i, at := range k.order() {
		sorted[i] = hits[at]
	}
	return sorted, nil
}

// sortKeys holds the keys of messages, compact: the first bytes of each as a number that
// orders as they do, and what is longer in one array for all.
type sortKeys struct {
	criteria   []imapwire.SortCriterion
	needHeader bool
	keys       []sortKey // of message 0 for each criterion, then of message 1, …
	texts      []byte
	scratch    []byte
	fold       func(dst, text []byte) []byte
}

// sortKey is a number or the beginning of a text, complemented for REVERSE.
type sortKey struct {
	first  uint64
	at     uint32 // in texts: what comes behind the first eight bytes
	length uint8
}

// maxSortText is how many bytes of a text matter for its place: enough for what people
// write, and a bound for what a large mailbox takes.
const maxSortText = 8 + 200

// maxSortTexts bounds all texts together: beyond it, the first eight bytes must do.
const maxSortTexts = 64 << 20

func newSortKeys(criteria []imapwire.SortCriterion, messages int, by casemap.Collation) *sortKeys {
	k := &sortKeys{fold: by.Append}
	for _, c := range criteria {
		if slices.ContainsFunc(k.criteria, func(before imapwire.SortCriterion) bool { return before.Key == c.Key }) {
			continue // what is equal by a key is equal by it again
		}
		k.criteria = append(k.criteria, c)
		k.needHeader = k.needHeader || sortFields[c.Key] != ""
	}
	k.keys = make([]sortKey, messages*len(k.criteria))
	return k
}

func (k *sortKeys) key(message, criterion int) *sortKey {
	return &k.keys[message*len(k.criteria)+criterion]
}

// number sets a key.
func (k *sortKeys) number(message, criterion int, n int64) {
	u := uint64(n) ^ 1<<63
	if k.criteria[criterion].Reverse {
		u = ^u
	}
	k.key(message, criterion).first = u
}

// text sets a key to a text that is folded already.
func (k *sortKeys) text(message, criterion int, text []byte) {
	text = text[:min(len(text), maxSortText)]
	var first uint64
	for i := range 8 {
		first <<= 8
		if i < len(text) {
			first |= uint64(text[i])
		}
	}
	if k.criteria[criterion].Reverse {
		first = ^first
	}
	rest := text[min(len(text), 8):]
	if len(k.texts)+len(rest) > maxSortTexts {
		rest = nil
	}
	*k.key(message, criterion) = sortKey{first, uint32(len(k.texts)), uint8(len(rest))}
	k.texts = append(k.texts, rest...)
}

func (k *sortKeys) rest(key *sortKey) []byte { return k.texts[key.at:][:key.length] }

// compare orders two messages by all criteria.
func (k *sortKeys) compare(a, b int32) int {
	for i, c := range k.criteria {
		x, y := k.key(int(a), i), k.key(int(b), i)
		if x.first != y.first {
			return cmp.Compare(x.first, y.first)
		}
		if x.length|y.length != 0 {
			if d := bytes.Compare(k.rest(x), k.rest(y)); d != 0 {
				if c.Reverse {
					return -d
				}
				return d
			}
		}
	}
	return cmp.Compare(a, b)
}

// order gives the messages as they are sorted.
func (k *sortKeys) order() []int32 {
	order := make([]int32, len(k.keys)/len(k.criteria))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, k.compare)
	return order
}
