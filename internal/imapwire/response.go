package imapwire

import "time"

// Response is a line that a server sends, up to where the data of a FETCH begins.
type Response struct {
	Tag    string // of a completed command; "*" of data, "+" of a request to go on
	Name   string // in upper case: OK, NO, BAD, BYE, PREAUTH, or what kind of data it is
	Number uint32 // before EXISTS, EXPUNGE, RECENT and FETCH
	Code   Code   // of OK, NO, BAD, BYE and PREAUTH
	Text   string // for people; of "+", what the server asks

	Words    []string      // of CAPABILITY and ENABLED, in upper case; of FLAGS and of the code PERMANENTFLAGS
	List     ListEntry     // of LIST and LSUB, its name as on the wire
	Status   MailboxStatus // of STATUS
	Numbers  []uint32      // of SEARCH
	Set      NumSet        // of VANISHED, and of ALL in ESEARCH
	Earlier  bool          // of VANISHED
	MoreData bool          // of FETCH: FetchData has more
}

// Code is a response code. The arguments of those that are not listed are in Args.
type Code struct {
	Name        string // in upper case; empty if there is none
	Args        string // as they were written
	Number      uint64 // of UIDNEXT, UIDVALIDITY, HIGHESTMODSEQ, UNSEEN; the UIDVALIDITY of APPENDUID and COPYUID
	Source, UID NumSet // of APPENDUID, COPYUID
}

// MailboxStatus is what STATUS says, the numbers in the order of the bits of Items.
type MailboxStatus struct {
	Name    string // as on the wire
	Items   StatusItems
	Numbers [len(statusNames)]uint64 // MAILBOXID has none
}

// Get is the number of one item.
func (s *MailboxStatus) Get(item StatusItems) (n uint64) {
	for i := range statusNames {
		if item == 1<<i {
			n = s.Numbers[i]
		}
	}
	return n
}

// maxDepth is how deep lists may be nested in what is skipped, and maxWords how many
// words, flags and items a response may list.
const (
	maxDepth = 100
	maxWords = 10_000
)

// Response decodes a response. Of FETCH it decodes what stands before the list of
// items, which FetchData decodes one by one. Kinds of data that it does not know are
// passed over.
func (d *Decoder) Response(r *Response) bool {
	*r = Response{}
	switch {
	case d.Byte('+'):
		r.Tag = "+"
		d.Byte(' ')
		return d.rest(&r.Text)
	case d.Byte('*'):
		r.Tag = "*"
	case !d.Tag(&r.Tag):
		return false
	}
	if !d.SP() {
		return false
	}
	if isDigit(d.next()) && (!d.Number(&r.Number) || !d.SP()) {
		return false
	}
	if r.Name = string(d.word()); r.Name == "" {
		return d.Fail("the name of a response")
	}
	return d.responseData(r)
}

func (d *Decoder) responseData(r *Response) bool {
	switch r.Name {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		return d.condition(r)
	case "CAPABILITY", "ENABLED":
		return d.words(&r.Words)
	case "FLAGS":
		return d.SP() && d.flags(&r.Words) && d.End()
	case "LIST", "LSUB":
		return d.SP() && d.listEntry(&r.List) && d.skipRest()
	case "STATUS":
		return d.SP() && d.mailboxStatus(&r.Status) && d.End()
	case "SEARCH":
		return d.numbers(&r.Numbers)
	case "ESEARCH":
		return d.esearch(r)
	case "VANISHED":
		return d.vanished(r)
	case "FETCH":
		r.MoreData = d.SP() && d.expect('(', "a list in parentheses") && !d.Byte(')')
		return d.err == nil && (r.MoreData || d.End())
	}
	return d.skipRest()
}

// condition decodes what follows OK and its kin: a code and a text, neither of which
// every server always sends.
func (d *Decoder) condition(r *Response) bool {
	if d.Byte(' ') && d.Byte('[') && !d.code(r) {
		return false
	}
	return d.rest(&r.Text)
}

func (d *Decoder) code(r *Response) bool {
	c := &r.Code
	if c.Name = string(d.word()); c.Name == "" {
		return d.Fail("a response code")
	}
	before := d.line
	ok := true
	switch c.Name {
	case "UIDNEXT", "UIDVALIDITY", "HIGHESTMODSEQ", "UNSEEN":
		ok = d.SP() && d.Number64(&c.Number)
	case "APPENDUID":
		ok = d.SP() && d.Number64(&c.Number) && d.SP() && d.KnownSet(&c.UID)
	case "COPYUID":
		ok = d.SP() && d.Number64(&c.Number) && d.SP() && d.KnownSet(&c.Source) && d.SP() && d.KnownSet(&c.UID)
	case "PERMANENTFLAGS":
		ok = d.SP() && d.flags(&r.Words)
	case "CAPABILITY":
		for ok && d.Byte(' ') && len(r.Words) < maxWords {
			var word string
			ok = d.Atom(&word)
			r.Words = append(r.Words, upperASCII(word))
		}
	default:
		d.untilBracket()
	}
	if !ok {
		return false
	}
	c.Args = string(before[min(1, len(before)-len(d.line)) : len(before)-len(d.line)])
	if !d.expect(']', "]") {
		return false
	}
	d.Byte(' ')
	return true
}

// untilBracket consumes the arguments of a code; a bracket in quotes does not end them.
func (d *Decoder) untilBracket() {
	quoted := false
	for len(d.line) > 0 && (quoted || d.line[0] != ']') {
		switch {
		case quoted && d.line[0] == '\\' && len(d.line) > 1:
			d.line = d.line[1:]
		case d.line[0] == '"':
			quoted = !quoted
		}
		d.line = d.line[1:]
	}
}

func (d *Decoder) words(words *[]string) bool {
	for !d.AtEnd() {
		var word string
		if !d.SP() || !d.Atom(&word) {
			return false
		}
		if *words = append(*words, upperASCII(word)); len(*words) > maxWords {
			return d.Fail("fewer words")
		}
	}
	return d.err == nil
}

// flags decodes a list of flags, among which may be \*.
func (d *Decoder) flags(flags *[]string) bool {
	return d.List(func() bool {
		if len(*flags) > maxWords {
			return d.Fail("fewer flags")
		}
		if len(d.line) > 1 && d.line[0] == '\\' && d.line[1] == '*' {
			d.line = d.line[2:]
			*flags = append(*flags, AnyFlag)
			return true
		}
		return d.appendFlag(flags)
	})
}

func (d *Decoder) listEntry(e *ListEntry) bool {
	if !d.flags(&e.Attributes) || !d.SP() {
		return false
	}
	var separator string
	var none bool
	if !d.NString(&separator, &none) || !d.SP() || !d.AString(&e.Name) {
		return false
	}
	if !none {
		if len(separator) != 1 {
			return d.Fail("a separator of one character")
		}
		e.Separator = separator[0]
	}
	return true
}

func (d *Decoder) mailboxStatus(s *MailboxStatus) bool {
	return d.AString(&s.Name) && d.SP() && d.List(func() bool {
		name := string(d.word())
		if !d.SP() {
			return false
		}
		for i, n := range statusNames {
			if n == name && StatusItems(1)<<i != StatusMailboxID && isDigit(d.next()) {
				s.Items |= 1 << i
				return d.Number64(&s.Numbers[i])
			}
		}
		return d.skipValue(0)
	})
}

// numbers decodes the numbers of a SEARCH. RFC 7162 §3.1.5 puts (MODSEQ n) behind them.
func (d *Decoder) numbers(all *[]uint32) bool {
	for !d.AtEnd() {
		var n uint32
		if !d.SP() {
			return false
		}
		if d.next() == '(' {
			return d.skipValue(0) && d.End()
		}
		if !d.NZNumber(&n) {
			return false
		}
		*all = append(*all, n)
	}
	return d.err == nil
}

// esearch decodes an ESEARCH (RFC 4466 §2.6.2), of which it keeps ALL.
func (d *Decoder) esearch(r *Response) bool {
	for d.Byte(' ') && !d.AtEnd() {
		if d.next() == '(' {
			if !d.skipValue(0) { // the tag
				return false
			}
			continue
		}
		switch string(d.word()) {
		case "UID":
		case "ALL":
			if !d.SP() || !d.KnownSet(&r.Set) {
				return false
			}
		case "":
			return d.Fail("a result of the search")
		default:
			if !d.SP() || !d.skipValue(0) {
				return false
			}
		}
	}
	return d.End()
}

func (d *Decoder) vanished(r *Response) bool {
	if !d.SP() {
		return false
	}
	if d.Byte('(') {
		r.Earlier = true
		if !d.keyword("EARLIER") || !d.expect(')', ")") || !d.SP() {
			return false
		}
	}
	return d.KnownSet(&r.Set) && d.End()
}

// FetchDatum is one item of a FETCH response.
type FetchDatum struct {
	Attr    FetchAttr // 0: one that we do not know, or do not keep; it has been passed over
	Section Section   // of FetchSection
	Offset  uint64    // of FetchSection: where in the section the text begins
	Number  uint64    // of FetchUID, FetchSize, FetchModSeq
	Flags   []string
	Date    time.Time // of FetchInternalDate

	// What the sections hold comes as one of these.
	Text    string
	Nil     bool
	Literal *Literal // to be read: Body, to its end, and Resume
}

// FetchData decodes the next item of a FETCH. If it is a literal it must have been
// read before FetchNext is called.
func (d *Decoder) FetchData(item *FetchDatum) bool {
	*item = FetchDatum{}
	name := string(d.word())
	item.Attr = fetchAttr(name)
	if name == "BODY" && d.next() == '[' {
		item.Attr = FetchSection
		return d.section(&item.Section, false) && d.origin(&item.Offset) && d.SP() && d.text(item)
	}
	switch item.Attr {
	case FetchRFC822, FetchRFC822Header, FetchRFC822Text:
		return d.SP() && d.text(item)
	case FetchUID, FetchSize:
		return d.SP() && d.Number64(&item.Number)
	case FetchModSeq:
		return d.SP() && d.expect('(', "(") && d.Number64(&item.Number) && d.expect(')', ")")
	case FetchFlags:
		return d.SP() && d.flags(&item.Flags)
	case FetchInternalDate:
		return d.SP() && d.DateTime(&item.Date)
	}
	item.Attr = 0
	if d.next() == '[' { // BINARY[1.2]<0>
		for len(d.line) > 0 && d.line[0] != ' ' {
			d.line = d.line[1:]
		}
	}
	return (len(name) > 0 || d.Fail("an item of FETCH")) && d.SP() && d.skipValue(0)
}

// FetchNext goes on behind an item; more is false at the end of the response.
func (d *Decoder) FetchNext() (more bool) {
	if d.Byte(')') {
		d.End()
		return false
	}
	return d.expect(' ', "a space or the end of the list")
}

// origin decodes the <offset> with which a server answers for a part of a section.
func (d *Decoder) origin(offset *uint64) bool {
	return !d.Byte('<') || d.Number64(offset) && d.expect('>', ">")
}

func (d *Decoder) text(item *FetchDatum) bool {
	if c := d.next(); c == '{' || c == '~' {
		item.Literal = new(Literal)
		return d.Literal(item.Literal)
	}
	return d.NString(&item.Text, &item.Nil)
}

// skipRest passes over the rest of a response, its literals too.
func (d *Decoder) skipRest() bool {
	for d.Byte(' ') {
		if !d.AtEnd() && !d.skipValue(0) {
			return false
		}
	}
	return d.End()
}

// skipValue passes over a value: a list, a string, or a word of whatever characters.
func (d *Decoder) skipValue(depth int) bool {
	if depth > maxDepth {
		return d.Fail("lists that are less deep")
	}
	var s string
	switch d.next() {
	case '"':
		return d.quoted(&s)
	case '{':
		return d.literal(&s)
	case '(':
		d.Byte('(')
		for !d.Byte(')') { // the parts of BODYSTRUCTURE stand without spaces between them
			if !d.Byte(' ') && !d.skipValue(depth+1) {
				return false
			}
		}
		return true
	}
	n := 0
	for n < len(d.line) && d.line[n] != ' ' && d.line[n] != '(' && d.line[n] != ')' && d.line[n] != '"' {
		n++
	}
	if n == 0 {
		return d.Fail("a value")
	}
	d.line = d.line[n:]
	return true
}
