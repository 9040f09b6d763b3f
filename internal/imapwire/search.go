package imapwire

import (
	"time"

	"posthorn/internal/fault"
)

// SearchOp is a kind of search key.
type SearchOp uint8

// The kinds. What the grammar has many words for is one kind here: UNSEEN is
// SearchNot of a SearchFlag, FROM is a SearchHeader, NEW is a SearchAnd.
const (
	SearchAll         SearchOp = iota + 1
	SearchAnd                  // Keys: all of them
	SearchOr                   // Keys: one of the two
	SearchNot                  // Keys: not the one
	SearchFuzzy                // Keys: the one, approximately (RFC 6203)
	SearchSeq                  // Set: sequence numbers
	SearchUID                  // Set
	SearchUIDAfter             // Num: a UID (RFC 9738)
	SearchUIDBefore            // Num: a UID
	SearchFlag                 // Text: a flag
	SearchHeader               // Field, Text; an empty text means that the field is there
	SearchBody                 // Text
	SearchText                 // Text, in header or body
	SearchBefore               // Date: the internal date, disregarding time and zone
	SearchOn                   // Date
	SearchSince                // Date
	SearchSentBefore           // Date: the Date header field
	SearchSentOn               // Date
	SearchSentSince            // Date
	SearchSavedBefore          // Date (RFC 8514)
	SearchSavedOn              // Date
	SearchSavedSince           // Date
	SearchSaveDates            // SAVEDATESUPPORTED
	SearchLarger               // Num: bytes
	SearchSmaller              // Num: bytes
	SearchOlder                // Num: seconds (RFC 5032)
	SearchYounger              // Num: seconds
	SearchModSeq               // Num: at least; Field, Text: entry name and type, if given (RFC 7162)
	SearchEmailID              // Text (RFC 8474)
	SearchThreadID             // Text
	SearchFilter               // Text: a filter's name (RFC 5466)
)

// SearchKey is a node of a search program.
type SearchKey struct {
	Op    SearchOp
	Keys  []SearchKey
	Set   NumSet
	Field string
	Text  string // in the charset of the search
	Date  time.Time
	Num   uint64
}

// SearchReturn is a set of result options (RFC 4731 and others).
type SearchReturn uint16

// The result options.
const (
	ReturnMin SearchReturn = 1 << iota
	ReturnMax
	ReturnAll
	ReturnCount
	ReturnSave      // RFC 5182
	ReturnPartial   // RFC 9394, RFC 5267; SearchOptions.Partial
	ReturnContext   // RFC 5267
	ReturnUpdate    // RFC 5267
	ReturnRelevancy // RFC 6203
)

var searchReturns = map[string]SearchReturn{
	"MIN": ReturnMin, "MAX": ReturnMax, "ALL": ReturnAll, "COUNT": ReturnCount, "SAVE": ReturnSave,
	"PARTIAL": ReturnPartial, "CONTEXT": ReturnContext, "UPDATE": ReturnUpdate, "RELEVANCY": ReturnRelevancy,
}

// SearchOptions are a whole search.
type SearchOptions struct {
	Extended bool // RETURN was given: the answer is an ESEARCH
	Return   SearchReturn
	Partial  *PartialRange
	Charset  string // as given; empty if it was not
	Key      SearchKey
}

const (
	maxSearchDepth = 50
	maxSearchKeys  = 1000
)

// Search decodes what follows SEARCH and a space.
func (d *Decoder) Search(o *SearchOptions) bool {
	*o = SearchOptions{}
	p := searchParser{Decoder: d}
	return p.search(o, p.keyWord())
}

// search decodes a search that has begun with this word.
func (p *searchParser) search(o *SearchOptions, word string) bool {
	d := p.Decoder
	if word == "RETURN" {
		if !d.SP() || !d.searchReturn(o) || !d.SP() {
			return false
		}
		word = p.keyWord()
	}
	if word == "CHARSET" {
		if !d.SP() || !d.AString(&o.Charset) || !d.SP() {
			return false
		}
		word = p.keyWord()
	}
	return p.program(o, word)
}

// program decodes the keys, of which the first has begun with this word.
func (p *searchParser) program(o *SearchOptions, word string) bool {
	d := p.Decoder
	o.Key.Op = SearchAnd
	for {
		var key SearchKey
		if !p.key(&key, word, 0) {
			return false
		}
		o.Key.Keys = append(o.Key.Keys, key)
		if d.AtEnd() {
			break
		}
		if !d.SP() {
			return false
		}
		word = p.keyWord()
	}
	if len(o.Key.Keys) == 1 {
		o.Key = o.Key.Keys[0]
	}
	return d.err == nil
}

// searchReturn decodes the options of RETURN; none of them means ALL (RFC 4731 §3.1).
func (d *Decoder) searchReturn(o *SearchOptions) bool {
	o.Extended = true
	ok := d.List(func() bool {
		option, known := searchReturns[string(d.word())]
		if !known {
			return d.failWord("a result option")
		}
		if option == ReturnPartial && o.Partial != nil { // RFC 9394 §3.1
			return d.failWord("a single PARTIAL")
		}
		o.Return |= option
		return option != ReturnPartial || d.SP() && d.partialRange(&o.Partial)
	})
	if o.Return == 0 {
		o.Return = ReturnAll
	}
	return ok
}

// searchParser counts keys: a program may be broad or deep, but not without end.
type searchParser struct {
	*Decoder
	keys int
}

// keyWord takes the keyword of a key; it is empty before a set or a parenthesis.
func (p *searchParser) keyWord() string {
	if isDigit(p.next()) {
		return ""
	}
	return string(p.word())
}

func (p *searchParser) key(key *SearchKey, word string, depth int) bool {
	if p.keys++; p.keys > maxSearchKeys || depth > maxSearchDepth {
		return p.fail(fault.New(fault.Limit, "imapwire: the search has more than %d keys or is nested more than %d deep", maxSearchKeys, maxSearchDepth))
	}
	if word == "" {
		if p.next() == '(' {
			return p.group(key, depth)
		}
		key.Op = SearchSeq
		return p.NumSet(&key.Set) || p.Fail("a search key")
	}
	g, ok := searchGrammar[word]
	if !ok {
		return p.failWord("a search key")
	}
	*key = SearchKey{Op: g.op, Field: g.field, Text: g.text}
	if !p.argument(key, g.arg, depth) {
		return false
	}
	if g.not {
		*key = SearchKey{Op: SearchNot, Keys: []SearchKey{*key}}
	}
	return true
}

func (p *searchParser) group(key *SearchKey, depth int) bool {
	key.Op = SearchAnd
	ok := p.List(func() bool {
		var k SearchKey
		ok := p.key(&k, p.keyWord(), depth+1)
		key.Keys = append(key.Keys, k)
		return ok
	})
	return ok && (len(key.Keys) > 0 || p.Fail("a search key"))
}

// nested decodes the keys that are arguments of another.
func (p *searchParser) nested(key *SearchKey, n, depth int) bool {
	key.Keys = make([]SearchKey, n)
	for i := range key.Keys {
		if !p.SP() || !p.key(&key.Keys[i], p.keyWord(), depth+1) {
			return false
		}
	}
	return true
}

func (p *searchParser) argument(key *SearchKey, arg searchArg, depth int) bool {
	switch arg {
	case argNone:
		return true
	case argNew: // RFC 3501 §6.4.4: NEW is RECENT UNSEEN
		unseen := SearchKey{Op: SearchNot, Keys: []SearchKey{{Op: SearchFlag, Text: Seen}}}
		key.Keys = []SearchKey{{Op: SearchFlag, Text: Recent}, unseen}
		return true
	case argKey:
		return p.nested(key, 1, depth)
	case argTwoKeys:
		return p.nested(key, 2, depth)
	}
	if !p.SP() {
		return false
	}
	switch arg {
	case argString:
		return p.AString(&key.Text)
	case argFlag:
		return p.Flag(&key.Text)
	case argField:
		return p.AString(&key.Field) && p.SP() && p.AString(&key.Text)
	case argDate:
		return p.Date(&key.Date)
	case argNumber:
		return p.Number64(&key.Num)
	case argSet:
		return p.NumSet(&key.Set)
	case argUID:
		var uid uint32
		ok := p.NZNumber(&uid)
		key.Num = uint64(uid)
		return ok
	default:
		return p.searchModSeq(key)
	}
}

// searchModSeq decodes [entry-name SP entry-type-req SP] mod-sequence-valzer.
func (d *Decoder) searchModSeq(key *SearchKey) bool {
	if !isDigit(d.next()) {
		if !d.String(&key.Field) || !d.SP() {
			return false
		}
		switch key.Text = string(d.word()); key.Text {
		case "PRIV", "SHARED", "ALL":
		default:
			return d.failWord("priv, shared or all")
		}
		if !d.SP() {
			return false
		}
	}
	return d.Number64(&key.Num)
}
