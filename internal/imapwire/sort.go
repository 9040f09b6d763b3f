package imapwire

// SortKey is what messages are ordered by.
type SortKey uint8

// The keys of RFC 5256, RFC 5957 and RFC 6203.
const (
	SortArrival SortKey = iota + 1
	SortCC
	SortDate
	SortFrom
	SortSize
	SortSubject
	SortTo
	SortDisplayFrom
	SortDisplayTo
	SortRelevancy
)

var sortKeys = map[string]SortKey{
	"ARRIVAL": SortArrival, "CC": SortCC, "DATE": SortDate, "FROM": SortFrom, "SIZE": SortSize, "SUBJECT": SortSubject,
	"TO": SortTo, "DISPLAYFROM": SortDisplayFrom, "DISPLAYTO": SortDisplayTo, "RELEVANCY": SortRelevancy,
}

// SortCriterion is a key and its direction.
type SortCriterion struct {
	Key     SortKey
	Reverse bool
}

// maxSortCriteria: there are ten keys, and one that comes twice changes nothing.
const maxSortCriteria = 20

// Sort decodes what follows SORT and a space: [RETURN (…)] (criteria) charset keys.
func (d *Decoder) Sort(criteria *[]SortCriterion, o *SearchOptions) bool {
	*o, *criteria = SearchOptions{}, nil
	if d.next() != '(' {
		if !d.keyword("RETURN") || !d.SP() || !d.searchReturn(o) || !d.SP() {
			return false
		}
	}
	if !d.List(func() bool { return d.sortCriterion(criteria) }) {
		return false
	}
	if len(*criteria) == 0 {
		return d.Fail("a key to sort by")
	}
	return d.SP() && d.searchCriteria(o)
}

func (d *Decoder) sortCriterion(criteria *[]SortCriterion) bool {
	var c SortCriterion
	word := string(d.word())
	if word == "REVERSE" {
		c.Reverse = true
		if !d.SP() {
			return false
		}
		word = string(d.word())
	}
	if c.Key = sortKeys[word]; c.Key == 0 || len(*criteria) == maxSortCriteria {
		return d.failWord("a key to sort by")
	}
	*criteria = append(*criteria, c)
	return true
}

// searchCriteria decodes a charset and the keys of a search.
func (d *Decoder) searchCriteria(o *SearchOptions) bool {
	p := searchParser{Decoder: d}
	return d.AString(&o.Charset) && d.SP() && p.program(o, p.keyWord())
}

// Thread decodes what follows THREAD and a space. The algorithm is in upper case.
func (d *Decoder) Thread(algorithm *string, o *SearchOptions) bool {
	*o = SearchOptions{}
	if *algorithm = string(d.word()); *algorithm == "" {
		return d.Fail("an algorithm")
	}
	return d.SP() && d.searchCriteria(o)
}

// AppendSort appends what follows SORT and a space.
func AppendSort(dst []byte, criteria []SortCriterion, o *SearchOptions) []byte {
	if o.Extended {
		dst = append(appendSearchReturn(dst, o), ' ')
	}
	sep := byte('(')
	for _, c := range criteria {
		dst = append(dst, sep)
		if c.Reverse {
			dst = append(dst, "REVERSE "...)
		}
		for word, key := range sortKeys {
			if key == c.Key {
				dst = append(dst, word...)
			}
		}
		sep = ' '
	}
	dst = append(dst, ") "...)
	return appendSearchCriteria(dst, o)
}

// AppendThread appends what follows THREAD and a space.
func AppendThread(dst []byte, algorithm string, o *SearchOptions) []byte {
	return appendSearchCriteria(append(append(dst, algorithm...), ' '), o)
}

func appendSearchCriteria(dst []byte, o *SearchOptions) []byte {
	return AppendSearchKey(append(AppendAString(dst, o.Charset), ' '), &o.Key)
}
