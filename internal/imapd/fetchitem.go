package imapd

import (
	"strconv"
	"time"

	"posthorn/internal/imapwire"
	"posthorn/internal/message"
	"posthorn/internal/store"
)

// message appends the FETCH response for one message.
func (f *fetcher) message(m fetched) {
	f.current = m
	f.output.fetch(f.box, m.seq, m.UID)
	for i := range f.plan.items {
		item := &f.plan.items[i]
		f.b = append(f.b, item.name...)
		f.item(item, &f.current)
		f.b = append(f.b, ' ')
	}
	f.b[len(f.b)-1] = ')'
	f.b = append(f.b, "\r\n"...)
	switch {
	case m.record == nil:
		f.damaged = f.damaged || f.plan.source > fromSnapshot
	case f.plan.seen && m.Flags&store.Seen == 0:
		f.unseen.add(m.seq, m.UID)
	}
}

// item appends the value of one item. What is lost is made up for with something
// that is valid: a list with one broken message in it is still a list.
func (f *fetcher) item(item *plannedItem, m *fetched) {
	switch item.Attr {
	case imapwire.FetchUID:
		f.b = strconv.AppendUint(f.b, uint64(m.UID), 10)
		return
	case imapwire.FetchFlags:
		f.b = f.box.appendFlags(f.b, m.Entry)
		return
	case imapwire.FetchSize:
		f.b = strconv.AppendUint(f.b, uint64(m.Size), 10)
		return
	case imapwire.FetchModSeq:
		f.b = appendModSeq(f.b, m.ModSeq)
		return
	}
	if m.record == nil {
		f.lostItem(item, m)
		return
	}
	switch item.Attr {
	case imapwire.FetchInternalDate:
		f.b = imapwire.AppendInternalDate(f.b, m.record.InternalDate)
	case imapwire.FetchSaveDate: // RFC 8514 §4.2
		f.b = imapwire.AppendInternalDate(f.b, m.record.SaveDate.UTC())
	case imapwire.FetchEmailID: // RFC 8474 §5.1
		f.b = append(appendEmailID(append(f.b, '('), f.box.account.ID(), m.record.EmailID), ')')
	case imapwire.FetchThreadID: // RFC 8474 §5.2
		f.b = append(appendThreadID(append(f.b, '('), f.box.account.ID(), m.record), ')')
	case imapwire.FetchPreview: // made when the message came, so LAZY (RFC 8970 §4.1) is all the same
		f.preview(m.record.Preview)
	case imapwire.FetchEnvelope:
		f.b = append(f.b, m.record.Envelope...)
	case imapwire.FetchBodyStructure:
		f.b = append(f.b, m.record.BodyStructure...)
	case imapwire.FetchBody:
		f.b = imapwire.BodyFromStructure(f.b, m.record.BodyStructure)
	case imapwire.FetchBinary:
		f.binary(item, m)
	case imapwire.FetchBinarySize:
		f.binarySize(item, m)
	default:
		f.section(item, m)
	}
}

// preview appends a preview: UTF-8, and never NIL (RFC 8970 §3.2).
func (f *fetcher) preview(text []byte) {
	if f.reader.has(utf8Accept | rev2) {
		f.b = imapwire.AppendStringUTF8(f.b, text)
		return
	}
	f.b = imapwire.AppendString(f.b, text)
}

func (f *fetcher) lostItem(item *plannedItem, m *fetched) {
	switch item.Attr {
	case imapwire.FetchInternalDate:
		f.b = imapwire.AppendInternalDate(f.b, time.Unix(m.InternalDate, 0).UTC())
	case imapwire.FetchEmailID:
		f.b = append(appendEmailID(append(f.b, '('), f.box.account.ID(), m.Content), ')')
	case imapwire.FetchPreview:
		f.preview(nil)
	case imapwire.FetchBinarySize:
		f.b = append(f.b, '0')
	case imapwire.FetchEnvelope:
		f.b = imapwire.AppendEnvelope(f.b, nil)
	case imapwire.FetchBodyStructure, imapwire.FetchBody:
		structure := imapwire.AppendBodyStructure(nil, &message.Part{Type: "text", Subtype: "plain"})
		f.b = imapwire.BodyFromStructure(f.b, structure)
	default:
		f.b = append(f.b, "NIL"...)
	}
}

// section appends what BODY[…]<…> asks for; NIL if the message has no such part.
func (f *fetcher) section(item *plannedItem, m *fetched) {
	if item.cached && m.record.HeadersComplete {
		f.scratch = item.fields.filter(f.scratch[:0], m.record.Headers)
		f.fields(item)
		return
	}
	if m.body == nil && m.file == nil { // it could not be opened
		f.damaged = true
		f.b = append(f.b, "NIL"...)
		return
	}
	from, to, ok := m.locate(item.Section)
	switch {
	case !ok:
		f.b = append(f.b, "NIL"...)
	case item.fields != nil:
		f.scratch = item.fields.filter(f.scratch[:0], f.header(m, from, to))
		f.fields(item)
	default:
		start, end := item.window(to - from)
		f.copy(m, from+start, from+end)
	}
}

// fields appends the header fields in scratch.
func (f *fetcher) fields(item *plannedItem) {
	start, end := item.window(int64(len(f.scratch)))
	f.b = imapwire.AppendLiteral(f.b, f.scratch[start:end])
}

// window applies <offset.count> to something of this size (RFC 3501 §6.4.5: what is
// behind its end is empty).
func (it *plannedItem) window(size int64) (start, end int64) {
	if it.Partial == nil {
		return 0, size
	}
	start = min(it.Partial.Offset, size)
	return start, start + min(it.Partial.Count, size-start)
}

// locate finds a section in the message.
func (m *fetched) locate(s imapwire.Section) (from, to int64, ok bool) {
	size := m.size()
	if len(s.Part) == 0 && s.Specifier == imapwire.Whole {
		return 0, size, true
	}
	if m.parts == nil {
		var err error
		if m.parts, err = message.ParseLayout(m.record.Layout); err != nil {
			return 0, 0, false
		}
	}
	p := m.parts.Find(s.Part)
	if p == nil {
		return 0, 0, false
	}
	if len(s.Part) > 0 && s.Specifier != imapwire.Whole && s.Specifier != imapwire.MIME {
		// RFC 3501 §6.4.5: the other specifiers are for messages within the message.
		if p.Kind != message.Embedded {
			return 0, 0, false
		}
		p = p.Parts[0]
	}
	switch s.Specifier {
	case imapwire.Whole, imapwire.Text:
		from, to = p.BodyStart, p.End
	default:
		from, to = p.HeaderStart, p.BodyStart
	}
	to = min(to, size)
	return min(from, to), to, true
}
