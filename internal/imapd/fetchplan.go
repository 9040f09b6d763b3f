package imapd

import (
	"posthorn/internal/imapwire"
	"posthorn/internal/message"
	"posthorn/internal/store"
)

// source is where the answer to an item comes from, the cheapest first.
type source uint8

const (
	fromSnapshot source = iota + 1
	fromRecord
	fromBody
)

// sources is what can be fetched, and from where.
var sources = map[imapwire.FetchAttr]source{
	imapwire.FetchUID: fromSnapshot, imapwire.FetchFlags: fromSnapshot, imapwire.FetchSize: fromSnapshot,
	imapwire.FetchModSeq:       fromSnapshot,
	imapwire.FetchInternalDate: fromRecord, imapwire.FetchSaveDate: fromRecord, imapwire.FetchEnvelope: fromRecord,
	imapwire.FetchBody: fromRecord, imapwire.FetchBodyStructure: fromRecord,
	imapwire.FetchEmailID: fromRecord, imapwire.FetchThreadID: fromRecord, imapwire.FetchPreview: fromRecord,
	imapwire.FetchSection: fromBody, imapwire.FetchBinary: fromBody, imapwire.FetchBinarySize: fromBody,
	imapwire.FetchRFC822: fromBody, imapwire.FetchRFC822Header: fromBody, imapwire.FetchRFC822Text: fromBody,
}

// fetchPlan is a FETCH thought through once, for all of its messages.
type fetchPlan struct {
	items  []plannedItem
	source source // where all of it can be answered from
	seen   bool   // it sets \Seen
	cached bool   // it relies on what records have of the header
	parts  bool   // it wants more of records, or parts of bodies that records know
}

// plannedItem is an item to fetch. The RFC822 items have become the sections that
// they are, under their own names.
type plannedItem struct {
	imapwire.FetchItem
	name   []byte    // as it stands in the answer, with a space
	fields *fieldSet // of a section that is only some fields of a header
	cached bool      // records have these fields
}

func newFetchPlan(o *imapwire.FetchOptions, uid bool) (*fetchPlan, error) {
	p := &fetchPlan{source: fromSnapshot}
	if uid { // RFC 3501 §6.4.8
		p.items = append(p.items, plannedItem{FetchItem: imapwire.FetchItem{Attr: imapwire.FetchUID}, name: []byte("UID ")})
	}
	for i := range o.Items {
		item := &o.Items[i]
		source, offered := sources[item.Attr]
		switch {
		case !offered:
			return nil, bad(item.Attr.String() + " is not offered")
		case uid && item.Attr == imapwire.FetchUID:
		default:
			p.add(item, source)
		}
	}
	return p, nil
}

func (p *fetchPlan) add(item *imapwire.FetchItem, from source) {
	it := plannedItem{FetchItem: *item, name: append(imapwire.AppendFetchName(nil, item), ' ')}
	switch item.Attr {
	case imapwire.FetchRFC822Header:
		it.Section.Specifier, it.Peek = imapwire.Header, true // RFC 3501 §6.4.5
	case imapwire.FetchRFC822Text:
		it.Section.Specifier = imapwire.Text
	case imapwire.FetchBinarySize:
		it.Peek = true
	}
	if from == fromBody {
		p.seen = p.seen || !it.Peek
		if it.Attr != imapwire.FetchBinary && it.Attr != imapwire.FetchBinarySize {
			it.Attr = imapwire.FetchSection
		}
	}
	if s := it.Section.Specifier; s == imapwire.HeaderFields || s == imapwire.HeaderFieldsNot {
		it.fields = newFieldSet(it.Section.Fields, s == imapwire.HeaderFieldsNot)
		if len(it.Section.Part) == 0 && it.fields.cached() {
			it.cached, p.cached = true, true
			from = fromRecord
		}
	}
	p.parts = p.parts || from == fromRecord || from == fromBody && !it.whole()
	p.source = max(p.source, from)
	p.items = append(p.items, it)
}

// whole reports that the item is the message, or a stretch of it.
func (it *plannedItem) whole() bool {
	return it.Attr == imapwire.FetchSection && len(it.Section.Part) == 0 && it.Section.Specifier == imapwire.Whole
}

// needsFile reports that a message cannot be written from what the scan gave.
func (p *fetchPlan) needsFile(m *fetched) bool {
	if m.record == nil || m.body != nil {
		return false
	}
	return p.source == fromBody || p.cached && !m.record.HeadersComplete
}

// fetched is what is known of a message to be written.
type fetched struct {
	seq int
	store.Entry
	record *store.Record   // nil: nothing is left of it, or it is damaged
	body   []byte          // all of it, if it is small
	file   store.Body      // instead, if it is large
	parts  *message.Layout // parsed when it is first asked for
}

// keep copies what is only valid while the store is being read.
func (m *fetched) keep() *fetched {
	r := *m.record
	for _, b := range []*[]byte{&r.Envelope, &r.BodyStructure, &r.Headers, &r.Preview, &r.Layout} {
		*b = append([]byte(nil), *b...)
	}
	return &fetched{seq: m.seq, Entry: m.Entry, record: &r}
}

func (m *fetched) size() int64 {
	if m.file != nil {
		return m.file.Size()
	}
	return int64(len(m.body))
}
