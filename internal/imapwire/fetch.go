package imapwire

import "strconv"

// FetchAttr is a kind of FETCH item.
type FetchAttr uint8

// The items. RFC822, RFC822.HEADER and RFC822.TEXT are kinds of their own because
// they are answered under their own names.
const (
	FetchEnvelope FetchAttr = iota + 1
	FetchFlags
	FetchInternalDate
	FetchSize
	FetchUID
	FetchBody // the structure without extension data
	FetchBodyStructure
	FetchSection // BODY[…]
	FetchRFC822
	FetchRFC822Header
	FetchRFC822Text
	FetchBinary     // RFC 3516
	FetchBinarySize // RFC 3516
	FetchModSeq     // RFC 7162
	FetchEmailID    // RFC 8474
	FetchThreadID   // RFC 8474
	FetchSaveDate   // RFC 8514
	FetchPreview    // RFC 8970
)

var fetchNames = [...]string{
	FetchEnvelope: "ENVELOPE", FetchFlags: "FLAGS", FetchInternalDate: "INTERNALDATE", FetchSize: "RFC822.SIZE",
	FetchUID: "UID", FetchBody: "BODY", FetchBodyStructure: "BODYSTRUCTURE", FetchSection: "BODY",
	FetchRFC822: "RFC822", FetchRFC822Header: "RFC822.HEADER", FetchRFC822Text: "RFC822.TEXT",
	FetchBinary: "BINARY", FetchBinarySize: "BINARY.SIZE", FetchModSeq: "MODSEQ", FetchEmailID: "EMAILID",
	FetchThreadID: "THREADID", FetchSaveDate: "SAVEDATE", FetchPreview: "PREVIEW",
}

func (a FetchAttr) String() string { return fetchNames[a] }

// FetchItem is one thing asked of each message.
type FetchItem struct {
	Attr    FetchAttr
	Section Section  // of FetchSection, FetchBinary and FetchBinarySize
	Peek    bool     // does not set \Seen
	Partial *Partial // nil: all of it
	Lazy    bool     // of FetchPreview: only if it costs nothing
}

// FetchOptions are what a FETCH asks for, macros spelled out.
type FetchOptions struct {
	Items        []FetchItem
	ChangedSince uint64        // RFC 7162; 0: not given
	Vanished     bool          // RFC 7162
	Partial      *PartialRange // RFC 9394
}

// PartialRange is a window on the messages of a result, from the first or, with
// negative numbers, from the last.
type PartialRange struct{ First, Last int64 }

var fetchMacros = map[string][]FetchAttr{ // RFC 9051 §6.4.5
	"ALL":  {FetchFlags, FetchInternalDate, FetchSize, FetchEnvelope},
	"FAST": {FetchFlags, FetchInternalDate, FetchSize},
	"FULL": {FetchFlags, FetchInternalDate, FetchSize, FetchEnvelope, FetchBody},
}

// Fetch decodes what follows the set of a FETCH.
func (d *Decoder) Fetch(o *FetchOptions) bool {
	*o = FetchOptions{}
	if d.next() == '(' {
		if !d.List(func() bool { return d.fetchItem(o, string(d.word())) }) {
			return false
		}
	} else {
		name := string(d.word())
		for _, attr := range fetchMacros[name] {
			o.Items = append(o.Items, FetchItem{Attr: attr})
		}
		if o.Items == nil && !d.fetchItem(o, name) {
			return false
		}
	}
	if len(o.Items) == 0 {
		return d.Fail("an item to fetch")
	}
	return d.AtEnd() || d.SP() && d.fetchModifiers(o)
}

func (d *Decoder) fetchItem(o *FetchOptions, name string) bool {
	var item FetchItem
	ok := true
	switch name {
	case "BODY", "BODY.PEEK":
		if item.Attr = FetchBody; d.next() == '[' {
			item.Attr = FetchSection
		}
		item.Peek = name == "BODY.PEEK"
		if item.Attr == FetchSection || item.Peek {
			item.Attr = FetchSection
			ok = d.section(&item.Section, false) && d.partial(&item.Partial)
		}
	case "BINARY", "BINARY.PEEK":
		item.Attr, item.Peek = FetchBinary, name == "BINARY.PEEK"
		ok = d.section(&item.Section, true) && d.partial(&item.Partial)
	case "BINARY.SIZE":
		item.Attr = FetchBinarySize
		ok = d.section(&item.Section, true)
	case "PREVIEW":
		item.Attr = FetchPreview
		ok = d.previewModifiers(&item)
	default:
		item.Attr = fetchAttr(name)
		if item.Attr == 0 {
			return d.failWord("an item to fetch")
		}
	}
	o.Items = append(o.Items, item)
	return ok
}

func fetchAttr(name string) FetchAttr {
	for attr, n := range fetchNames {
		if n == name && n != "" {
			return FetchAttr(attr)
		}
	}
	return 0
}

// previewModifiers decodes an optional (LAZY): RFC 8970 §6. A list after PREVIEW
// outside of parentheses belongs to it as well, for FETCH modifiers look different.
func (d *Decoder) previewModifiers(item *FetchItem) bool {
	if len(d.line) < 2 || d.line[0] != ' ' || d.line[1] != '(' {
		return d.err == nil
	}
	before := d.line
	d.line = d.line[2:]
	if string(d.word()) != "LAZY" {
		d.line = before // modifiers of the FETCH
		return true
	}
	item.Lazy = true
	return d.expect(')', ")")
}

func (d *Decoder) fetchModifiers(o *FetchOptions) bool {
	return d.List(func() bool {
		switch string(d.word()) {
		case "CHANGEDSINCE":
			return d.SP() && d.modSeq(&o.ChangedSince)
		case "VANISHED":
			o.Vanished = true
			return true
		case "PARTIAL":
			return d.SP() && d.partialRange(&o.Partial)
		}
		return d.failWord("CHANGEDSINCE, VANISHED or PARTIAL")
	})
}

// modSeq decodes a mod-sequence-value, which is not 0.
func (d *Decoder) modSeq(n *uint64) bool {
	return d.Number64(n) && (*n > 0 || d.Fail("a mod-sequence from 1"))
}

// partialRange decodes 1:100 or -1:-100.
func (d *Decoder) partialRange(p **PartialRange) bool {
	var a, b uint32
	last := d.Byte('-')
	if !d.NZNumber(&a) || !d.expect(':', "a colon") || last && !d.expect('-', "-") || !d.NZNumber(&b) {
		return false
	}
	*p = &PartialRange{int64(min(a, b)), int64(max(a, b))}
	if last {
		*p = &PartialRange{-int64(min(a, b)), -int64(max(a, b))}
	}
	return true
}

// AppendFetch appends what follows the set of a FETCH.
func AppendFetch(dst []byte, o *FetchOptions) []byte {
	dst = append(dst, '(')
	for i := range o.Items {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = appendFetchItem(dst, &o.Items[i])
	}
	dst = append(dst, ')')
	sep := " ("
	if o.ChangedSince > 0 {
		dst = append(append(dst, sep...), "CHANGEDSINCE "...)
		dst = strconv.AppendUint(dst, o.ChangedSince, 10)
		sep = " "
	}
	if o.Vanished {
		dst = append(append(dst, sep...), "VANISHED"...)
		sep = " "
	}
	if o.Partial != nil {
		dst = append(append(dst, sep...), "PARTIAL "...)
		dst = AppendPartialRange(dst, o.Partial)
		sep = " "
	}
	if sep == " " {
		dst = append(dst, ')')
	}
	return dst
}

// AppendPartialRange appends 1:100 or -1:-100.
func AppendPartialRange(dst []byte, p *PartialRange) []byte {
	dst = strconv.AppendInt(dst, p.First, 10)
	dst = append(dst, ':')
	return strconv.AppendInt(dst, p.Last, 10)
}

func appendFetchItem(dst []byte, item *FetchItem) []byte {
	dst = append(dst, fetchNames[item.Attr]...)
	if item.Peek {
		dst = append(dst, ".PEEK"...)
	}
	switch item.Attr {
	case FetchSection, FetchBinary, FetchBinarySize:
		dst = AppendSection(dst, item.Section)
	case FetchPreview:
		if item.Lazy {
			dst = append(dst, " (LAZY)"...)
		}
	}
	if p := item.Partial; p != nil {
		dst = append(dst, '<')
		dst = strconv.AppendInt(dst, p.Offset, 10)
		dst = append(dst, '.')
		dst = strconv.AppendInt(dst, p.Count, 10)
		dst = append(dst, '>')
	}
	return dst
}

// AppendFetchName appends the name under which a server answers an item: without
// .PEEK, and with only the offset of a partial.
func AppendFetchName(dst []byte, item *FetchItem) []byte {
	answer := *item
	answer.Peek, answer.Partial, answer.Lazy = false, nil, false
	dst = appendFetchItem(dst, &answer)
	if item.Partial != nil {
		dst = append(dst, '<')
		dst = strconv.AppendInt(dst, item.Partial.Offset, 10)
		dst = append(dst, '>')
	}
	return dst
}
