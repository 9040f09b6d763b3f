package imapwire

import "strconv"

// searchArg is what follows the word of a search key.
type searchArg uint8

const (
	argNone searchArg = iota
	argNew
	argString
	argFlag
	argField
	argDate
	argNumber
	argSet
	argUID
	argModSeq
	argKey
	argTwoKeys
)

// searchGrammar is every search key by its word.
var searchGrammar = map[string]struct {
	op          SearchOp
	arg         searchArg
	field, text string
	not         bool
}{
	"ALL": {op: SearchAll},
	"OR":  {op: SearchOr, arg: argTwoKeys}, "NOT": {op: SearchNot, arg: argKey}, "FUZZY": {op: SearchFuzzy, arg: argKey},

	"ANSWERED": {op: SearchFlag, text: Answered}, "UNANSWERED": {op: SearchFlag, text: Answered, not: true},
	"DELETED": {op: SearchFlag, text: Deleted}, "UNDELETED": {op: SearchFlag, text: Deleted, not: true},
	"DRAFT": {op: SearchFlag, text: Draft}, "UNDRAFT": {op: SearchFlag, text: Draft, not: true},
	"FLAGGED": {op: SearchFlag, text: Flagged}, "UNFLAGGED": {op: SearchFlag, text: Flagged, not: true},
	"SEEN": {op: SearchFlag, text: Seen}, "UNSEEN": {op: SearchFlag, text: Seen, not: true},
	"RECENT": {op: SearchFlag, text: Recent}, "OLD": {op: SearchFlag, text: Recent, not: true},
	"KEYWORD": {op: SearchFlag, arg: argFlag}, "UNKEYWORD": {op: SearchFlag, arg: argFlag, not: true},
	"NEW": {op: SearchAnd, arg: argNew},

	"BCC": {op: SearchHeader, arg: argString, field: "BCC"}, "CC": {op: SearchHeader, arg: argString, field: "CC"},
	"FROM": {op: SearchHeader, arg: argString, field: "FROM"}, "TO": {op: SearchHeader, arg: argString, field: "TO"},
	"SUBJECT": {op: SearchHeader, arg: argString, field: "SUBJECT"},
	"HEADER":  {op: SearchHeader, arg: argField},
	"BODY":    {op: SearchBody, arg: argString}, "TEXT": {op: SearchText, arg: argString},

	"BEFORE": {op: SearchBefore, arg: argDate}, "ON": {op: SearchOn, arg: argDate}, "SINCE": {op: SearchSince, arg: argDate},
	"SENTBEFORE": {op: SearchSentBefore, arg: argDate}, "SENTON": {op: SearchSentOn, arg: argDate},
	"SENTSINCE":   {op: SearchSentSince, arg: argDate},
	"SAVEDBEFORE": {op: SearchSavedBefore, arg: argDate}, "SAVEDON": {op: SearchSavedOn, arg: argDate},
	"SAVEDSINCE": {op: SearchSavedSince, arg: argDate}, "SAVEDATESUPPORTED": {op: SearchSaveDates},

	"LARGER": {op: SearchLarger, arg: argNumber}, "SMALLER": {op: SearchSmaller, arg: argNumber},
	"OLDER": {op: SearchOlder, arg: argNumber}, "YOUNGER": {op: SearchYounger, arg: argNumber},
	"MODSEQ": {op: SearchModSeq, arg: argModSeq},
	"UID":    {op: SearchUID, arg: argSet}, "UIDAFTER": {op: SearchUIDAfter, arg: argUID}, "UIDBEFORE": {op: SearchUIDBefore, arg: argUID},

	"EMAILID": {op: SearchEmailID, arg: argString}, "THREADID": {op: SearchThreadID, arg: argString},
	"FILTER": {op: SearchFilter, arg: argString},
}

// searchWords is the word that a kind of key is written with.
var searchWords = [...]string{
	SearchAll: "ALL", SearchOr: "OR", SearchNot: "NOT", SearchFuzzy: "FUZZY", SearchUID: "UID", SearchUIDAfter: "UIDAFTER", SearchUIDBefore: "UIDBEFORE", SearchHeader: "HEADER",
	SearchBody: "BODY", SearchText: "TEXT", SearchBefore: "BEFORE", SearchOn: "ON", SearchSince: "SINCE",
	SearchSentBefore: "SENTBEFORE", SearchSentOn: "SENTON", SearchSentSince: "SENTSINCE",
	SearchSavedBefore: "SAVEDBEFORE", SearchSavedOn: "SAVEDON", SearchSavedSince: "SAVEDSINCE",
	SearchSaveDates: "SAVEDATESUPPORTED", SearchLarger: "LARGER", SearchSmaller: "SMALLER", SearchOlder: "OLDER",
	SearchYounger: "YOUNGER", SearchModSeq: "MODSEQ", SearchEmailID: "EMAILID", SearchThreadID: "THREADID",
	SearchFilter: "FILTER",
}

// AppendSearch appends what follows SEARCH and a space.
func AppendSearch(dst []byte, o *SearchOptions) []byte {
	if o.Extended {
		dst = append(appendSearchReturn(dst, o), ' ')
	}
	if o.Charset != "" {
		dst = append(AppendAString(append(dst, "CHARSET "...), o.Charset), ' ')
	}
	return AppendSearchKey(dst, &o.Key)
}

func appendSearchReturn(dst []byte, o *SearchOptions) []byte {
	dst = append(dst, "RETURN ("...)
	sep := ""
	for _, name := range []string{"MIN", "MAX", "ALL", "COUNT", "SAVE", "PARTIAL", "CONTEXT", "UPDATE", "RELEVANCY"} {
		if o.Return&searchReturns[name] == 0 {
			continue
		}
		dst = append(append(dst, sep...), name...)
		if name == "PARTIAL" {
			dst = AppendPartialRange(append(dst, ' '), o.Partial)
		}
		sep = " "
	}
	return append(dst, ')')
}

// AppendSearchKey appends one key.
func AppendSearchKey(dst []byte, k *SearchKey) []byte {
	switch k.Op {
	case SearchAnd:
		dst = append(dst, '(')
		dst = appendSearchKeys(dst, k.Keys)
		return append(dst, ')')
	case SearchSeq:
		return AppendNumSet(dst, k.Set)
	case SearchFlag:
		return appendSearchFlag(dst, "", k.Text)
	case SearchNot:
		if k.Keys[0].Op == SearchFlag {
			return appendSearchFlag(dst, "UN", k.Keys[0].Text)
		}
	}
	word := searchWords[k.Op]
	dst = append(dst, word...)
	if searchGrammar[word].arg == argNone {
		return dst
	}
	dst = append(dst, ' ')
	switch searchGrammar[word].arg {
	case argKey, argTwoKeys:
		return appendSearchKeys(dst, k.Keys)
	case argString:
		return AppendAString(dst, k.Text)
	case argField:
		return AppendAString(append(AppendAString(dst, k.Field), ' '), k.Text)
	case argDate:
		return AppendDate(dst, k.Date)
	case argSet:
		return AppendNumSet(dst, k.Set)
	case argModSeq:
		if k.Text != "" {
			dst = append(AppendString(dst, k.Field), ' ')
			dst = append(append(dst, k.Text...), ' ')
		}
	}
	return strconv.AppendUint(dst, k.Num, 10)
}

func appendSearchKeys(dst []byte, keys []SearchKey) []byte {
	for i := range keys {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = AppendSearchKey(dst, &keys[i])
	}
	return dst
}

// appendSearchFlag appends SEEN, UNSEEN, KEYWORD $Junk, OLD and the like.
func appendSearchFlag(dst []byte, prefix, flag string) []byte {
	switch {
	case flag == Recent && prefix != "":
		return append(dst, "OLD"...)
	case systemFlags[upperASCII(flag[1:])] == flag:
		return append(append(dst, prefix...), upperASCII(flag[1:])...)
	}
	return append(append(append(dst, prefix...), "KEYWORD "...), flag...)
}
