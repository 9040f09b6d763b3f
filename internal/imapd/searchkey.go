package imapd

import (
	"slices"
	"time"

	"posthorn/internal/casemap"
	"posthorn/internal/imapwire"
	"posthorn/internal/message"
	"posthorn/internal/search"
	"posthorn/internal/store"
)

// verdict is what a test says about a message: it may have to see more of it.
type verdict uint8

const (
	nay verdict = iota
	yes
	unknown
)

func verdictOf(b bool) verdict {
	if b {
		return yes
	}
	return nay
}

// candidate is a message, known up to a level.
type candidate struct {
	seq int
	store.Entry
	level  source
	record *store.Record // from fromRecord on
	text   *search.Text  // at fromBody

	scores relevance // of the FUZZY keys that match
}

type test func(*candidate) verdict

// query is a search program made ready for one mailbox.
type query struct {
	test   test
	within []store.UIDRange // if not nil, no other messages can match
	unseen bool             // only messages without \Seen can match

	collation casemap.Collation // by which texts are compared
	traits
}

// traits is what there is in a search, anywhere in it.
type traits struct {
	fuzzy    bool // FUZZY
	modSeq   bool // MODSEQ
	numbered bool // message numbers
}

// compiler turns search keys into tests.
type compiler struct {
	box     *mailbox
	charset string
	now     time.Time
	texts   int  // keys that have to look into bodies
	inFuzzy bool // the key is the argument of FUZZY
	ask     asker
	traits

	collation casemap.Collation // by which texts are compared
}

// maxTexts is how many keys of a search may look into bodies: each of them decodes
// every message that the others leave.
const maxTexts = 20

func (m *mailbox) compile(o *imapwire.SearchOptions, by casemap.Collation, ask asker) (*query, error) {
	c := compiler{box: m, charset: o.Charset, now: time.Now(), ask: ask, collation: by}
	t, _, err := c.key(&o.Key)
	if err != nil {
		return nil, err
	}
	q := &query{test: t, traits: c.traits, collation: by}
	keys := []imapwire.SearchKey{o.Key}
	if o.Key.Op == imapwire.SearchAnd {
		keys = o.Key.Keys
	}
	for i := range keys {
		switch k := &keys[i]; {
		case k.Op == imapwire.SearchNot && k.Keys[0].Op == imapwire.SearchFlag && k.Keys[0].Text == imapwire.Seen:
			q.unseen = true
		case k.Op == imapwire.SearchSeq || k.Op == imapwire.SearchUID:
			q.within = both(q.within, c.set(k))
		case k.Op == imapwire.SearchUIDAfter || k.Op == imapwire.SearchUIDBefore:
			q.within = both(q.within, beyond(k))
		}
	}
	return q, nil
}

// key gives a key's test and the level at which it never says unknown.
func (c *compiler) key(k *imapwire.SearchKey) (test, source, error) {
	switch k.Op {
	case imapwire.SearchHeader, imapwire.SearchBody, imapwire.SearchText:
		if c.inFuzzy {
			return c.fuzzyText(k)
		}
		return c.textKey(k)
	case imapwire.SearchAnd, imapwire.SearchOr:
		return c.keys(k)
	case imapwire.SearchNot:
		t, need, err := c.key(&k.Keys[0])
		return not(t), need, err
	case imapwire.SearchFuzzy:
		outer := c.inFuzzy
		c.inFuzzy, c.fuzzy = true, true
		t, need, err := c.key(&k.Keys[0])
		c.inFuzzy = outer
		return t, need, err
	case imapwire.SearchBefore, imapwire.SearchOn, imapwire.SearchSince:
		return dateTest(k), fromRecord, nil
	case imapwire.SearchSavedBefore, imapwire.SearchSavedOn, imapwire.SearchSavedSince:
		return savedTest(k), fromRecord, nil
	case imapwire.SearchEmailID:
		return emailTest(c.box.account.ID(), k.Text), fromRecord, nil
	case imapwire.SearchThreadID:
		return threadTest(c.box.account.ID(), k.Text), fromRecord, nil
	case imapwire.SearchSentBefore, imapwire.SearchSentOn, imapwire.SearchSentSince:
		return sentTest(k), fromRecord, nil
	}
	t := c.simple(k)
	if t == nil {
		return nil, 0, bad("This search key is not offered")
	}
	return t, fromSnapshot, nil
}

// textKey compiles a search for text.
func (c *compiler) textKey(k *imapwire.SearchKey) (test, source, error) {
	if k.Op == imapwire.SearchHeader {
		return c.header(k)
	}
	if c.texts++; c.texts > maxTexts {
		return nil, 0, no("LIMIT", "Too many BODY and TEXT keys in one search")
	}
	n, err := c.newNeedle(k.Text)
	if err != nil {
		return nil, 0, err
	}
	whole := k.Op == imapwire.SearchText
	return c.indexed(search.Query{Needle: n, Whole: whole}, textTest(n, whole)), fromBody, nil
}

// simple compiles keys that the snapshot answers.
func (c *compiler) simple(k *imapwire.SearchKey) test {
	switch k.Op {
	case imapwire.SearchAll, imapwire.SearchSaveDates: // RFC 8514 §4.3: all messages have a save date
		return func(*candidate) verdict { return yes }
	case imapwire.SearchSeq, imapwire.SearchUID:
		c.numbered = c.numbered || k.Op == imapwire.SearchSeq && !k.Set.Saved
		set := c.set(k)
		return func(m *candidate) verdict { return verdictOf(contains(set, m.UID)) }
	case imapwire.SearchUIDAfter: // RFC 9738 §3.2
		return func(m *candidate) verdict { return verdictOf(uint64(m.UID) > k.Num) }
	case imapwire.SearchUIDBefore:
		return func(m *candidate) verdict { return verdictOf(uint64(m.UID) < k.Num) }
	case imapwire.SearchFlag:
		if k.Text == imapwire.Recent {
			return func(m *candidate) verdict { return verdictOf(m.UID >= c.box.recentFrom) }
		}
		flag := c.box.view.FlagNamed(k.Text)
		return func(m *candidate) verdict { return verdictOf(m.Flags&flag != 0) }
	case imapwire.SearchModSeq:
		// RFC 7162 §3.1.5: there is one MODSEQ for all flags, so their names do not matter.
		c.modSeq = true
		return func(m *candidate) verdict { return verdictOf(uint64(m.ModSeq) >= k.Num) }
	case imapwire.SearchLarger:
		return func(m *candidate) verdict { return verdictOf(uint64(m.Size) > k.Num) }
	case imapwire.SearchSmaller:
		return func(m *candidate) verdict { return verdictOf(uint64(m.Size) < k.Num) }
	case imapwire.SearchOlder, imapwire.SearchYounger:
		return c.within(k)
	}
	return nil
}

// set gives the messages of a set, ascending. Numbers of messages that do not exist
// match nothing, which is no reason to refuse a search.
func (c *compiler) set(k *imapwire.SearchKey) []store.UIDRange {
	v := &c.box.view
	switch {
	case k.Set.Saved: // RFC 5182 §2.1: "$" is the same behind UID and without it
		return v.saved
	case k.Op == imapwire.SearchUID:
		return v.uidRanges(k.Set)
	}
	uids := []store.UIDRange{}
	for _, r := range k.Set.Resolve(uint32(v.exists())) {
		last := min(int(r.Last), v.exists())
		if from, to := v.seqFrom(int(r.First)), v.seqFrom(last+1)-1; from <= to {
			uids = append(uids, store.UIDRange{First: v.At(from).UID, Last: v.At(to).UID})
		}
	}
	return uids
}

// beyond gives the UIDs of UIDAFTER and UIDBEFORE.
func beyond(k *imapwire.SearchKey) []store.UIDRange {
	switch {
	case k.Op == imapwire.SearchUIDBefore && k.Num > 1:
		return []store.UIDRange{{First: 1, Last: store.UID(k.Num - 1)}}
	case k.Op == imapwire.SearchUIDAfter && k.Num < uint64(nothingRecent):
		return []store.UIDRange{{First: store.UID(k.Num + 1), Last: nothingRecent}}
	}
	return []store.UIDRange{}
}

// both gives what is in two lists of ascending ranges, of which nil has everything.
func both(a, b []store.UIDRange) []store.UIDRange {
	if a == nil {
		return b
	}
	in := []store.UIDRange{}
	for len(a) > 0 && len(b) > 0 {
		if r := (store.UIDRange{First: max(a[0].First, b[0].First), Last: min(a[0].Last, b[0].Last)}); r.First <= r.Last {
			in = append(in, r)
		}
		if a[0].Last < b[0].Last {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return in
}

func contains(uids []store.UIDRange, uid store.UID) bool {
	i, _ := slices.BinarySearchFunc(uids, uid, func(r store.UIDRange, u store.UID) int {
		if r.Last < u {
			return -1
		}
		return 1
	})
	return i < len(uids) && uids[i].First <= uid
}

// keys compiles AND and OR; what is cheap to know is asked first.
func (c *compiler) keys(k *imapwire.SearchKey) (test, source, error) {
	type costed struct {
		test
		need source
	}
	parts := make([]costed, len(k.Keys))
	for i := range k.Keys {
		t, need, err := c.key(&k.Keys[i])
		if err != nil {
			return nil, 0, err
		}
		parts[i] = costed{t, need}
	}
	slices.SortStableFunc(parts, func(a, b costed) int { return int(a.need) - int(b.need) })
	decisive := nay // AND is decided by a single no, OR by a single yes
	if k.Op == imapwire.SearchOr {
		decisive = yes
	}
	t := func(m *candidate) verdict {
		result := yes - decisive
		for i := range parts {
			switch v := parts[i].test(m); v {
			case decisive:
				return decisive
			case unknown:
				result = unknown
			}
		}
		return result
	}
	return t, parts[len(parts)-1].need, nil
}

func not(t test) test {
	return func(m *candidate) verdict {
		switch v := t(m); v {
		case unknown:
			return unknown
		default:
			return yes - v
		}
	}
}

// header compiles a search for text in a header field (RFC 3501 §6.4.4: an empty
// text asks whether the field is there).
func (c *compiler) header(k *imapwire.SearchKey) (test, source, error) {
	n, err := c.newNeedle(k.Text)
	if err != nil {
		return nil, 0, err
	}
	set := newFieldSet([]string{k.Field}, false)
	matches := func(f *message.Field) bool { return set.wants(f.Name) && n.InValue(f.Value) }
	q := search.Query{Needle: n, Header: k.Field}
	if set.cached() {
		return c.indexed(q, recordTest(matches)), fromRecord, nil
	}
	return c.indexed(q, func(m *candidate) verdict {
		if m.level < fromBody {
			return unknown
		}
		return verdictOf(anyField(m.text.Header(), matches))
	}), fromBody, nil
}

// recordTest looks for a field in what the record has of the header, and in the
// header itself where that is not all.
func recordTest(matches func(*message.Field) bool) test {
	return func(m *candidate) verdict {
		switch {
		case m.level == fromSnapshot:
			return unknown
		case m.record.HeadersComplete:
			return verdictOf(anyField(m.record.Headers, matches))
		case m.level == fromRecord:
			return unknown
		}
		return verdictOf(anyField(m.text.Header(), matches))
	}
}

func anyField(header []byte, matches func(*message.Field) bool) bool {
	for f := range message.Fields(header) {
		if matches(&f) {
			return true
		}
	}
	return false
}

func textTest(n *search.Needle, withHeader bool) test {
	return func(m *candidate) verdict {
		if m.level < fromBody {
			return unknown
		}
		return verdictOf(m.text.Contains(n, withHeader))
	}
}
