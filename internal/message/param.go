package message

import (
	"slices"
	"strings"
)

// parseParamField reads the value of Content-Type or Content-Disposition: what
// stands before the parameters, and the parameters decoded. It follows RFC
// 2045 §5.1, RFC 2231 and what is sent instead: missing semicolons, unquoted
// blanks, quotes without an end, RFC 2047 words in values, raw 8-bit names.
func parseParamField(value string) (string, []Param) {
	value = unfold(value)
	i := 0
	for i < len(value) && value[i] != ';' && value[i] != '(' {
		blanks, follows := paramFollows(value[i:])
		if follows {
			break
		}
		i += max(blanks, 1)
	}
	first := strings.Trim(value[:i], " \t\"")
	if eq := strings.IndexByte(first, '='); eq > 0 {
		first, i = "", 0 // nothing but parameters
	}
	p := paramParser{rest: value[i:]}
	if strings.IndexByte(p.rest, '=') < 0 {
		return first, nil
	}
	for len(p.params)+len(p.sections) < maxParams && p.next() {
	}
	return first, p.result()
}

// splitMediaType cuts type "/" subtype; false if it is none.
func splitMediaType(s string) (mainType, subtype string, ok bool) {
	mainType, subtype, _ = strings.Cut(s, "/")
	mainType, subtype = strings.TrimRight(mainType, " \t"), strings.TrimLeft(subtype, " \t")
	if i := strings.IndexAny(subtype, " \t/,"); i >= 0 {
		subtype = subtype[:i]
	}
	return mainType, subtype, isToken(mainType) && isToken(subtype)
}

// maxParams is how many parameters are taken from one field.
const maxParams = 200

// paramParser takes parameters off the front of rest.
type paramParser struct {
	rest     string
	params   []Param
	sections []paramSection // of RFC 2231, to be put together at the end
}

// next takes one parameter; false at the end.
func (p *paramParser) next() bool {
	p.skipSeparators()
	if p.rest == "" {
		return false
	}
	i := 0
	for i < len(p.rest) && p.rest[i] != '=' && p.rest[i] != ';' {
		i++
	}
	name := strings.Trim(p.rest[:i], " \t\"")
	if i == len(p.rest) || p.rest[i] == ';' {
		p.rest = p.rest[i:] // a word without a value says nothing
		return true
	}
	p.rest = strings.TrimLeft(p.rest[i+1:], " \t")
	var value string
	if p.rest != "" && p.rest[0] == '"' {
		value = p.quoted()
	} else {
		value = p.unquoted()
	}
	p.add(name, value)
	return true
}

// skipSeparators passes over what may stand between two parameters.
func (p *paramParser) skipSeparators() {
	for p.rest != "" {
		switch {
		case isBlank(p.rest[0]), p.rest[0] == ';', p.rest[0] == ',':
			p.rest = p.rest[1:]
		case p.rest[0] == '(':
			p.rest = p.rest[commentLength(p.rest):]
		default:
			return
		}
	}
}

// quoted takes a quoted string and whatever stands between it and the next
// parameter. A backslash before a letter or digit is not an escape but part of
// a Windows path.
func (p *paramParser) quoted() string {
	s := p.rest
	i := 1
	escaped := false
	for i < len(s) && s[i] != '"' {
		if s[i] == '\\' && i+1 < len(s) && !isAlpha(s[i+1]) && !isDigit(s[i+1]) {
			escaped = true
			i++
		}
		i++
	}
	if i >= len(s) { // no closing quote: the value ends where an unquoted one would
		p.rest = s[1:]
		return p.unquoted()
	}
	end := i
	p.rest = s[end+1:]
	p.unquoted()
	if !escaped {
		return s[1:end]
	}
	b := make([]byte, 0, end)
	for i := 1; i < end; i++ {
		if s[i] == '\\' && i+1 < end && !isAlpha(s[i+1]) && !isDigit(s[i+1]) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// unquoted takes a value up to the next semicolon, or up to a blank after which
// the next parameter begins although the semicolon is missing. A comment at
// its end is not part of it.
func (p *paramParser) unquoted() string {
	s := p.rest
	for i := 0; i < len(s); {
		blanks, follows := paramFollows(s[i:])
		switch {
		case follows, s[i] == ';':
			p.rest = s[i:]
			return strings.TrimRight(s[:i], " \t")
		case blanks > 0:
			i += blanks
		case s[i] == '(' && (i == 0 || isBlank(s[i-1])):
			end := i + commentLength(s[i:])
			after := strings.TrimLeft(s[end:], " \t")
			if after == "" || after[0] == ';' {
				p.rest = after
				return strings.TrimRight(s[:i], " \t")
			}
			i = end
		default:
			i++
		}
	}
	p.rest = ""
	return strings.TrimRight(s, " \t")
}

// paramFollows counts the blanks with which s begins, and says whether after
// them, if there are any, a token and "=" follow.
func paramFollows(s string) (blanks int, follows bool) {
	i := 0
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	if blanks = i; blanks == 0 {
		return 0, false
	}
	for i < len(s) && isTokenByte(s[i]) {
		i++
	}
	if i == blanks {
		return blanks, false
	}
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	return blanks, i+1 < len(s) && s[i] == '=' && s[i+1] != '?' && s[i+1] != '='
}

// add puts a plain parameter into params and a section of RFC 2231 aside.
func (p *paramParser) add(name, value string) {
	if name == "" {
		return
	}
	if base, rest, ok := strings.Cut(name, "*"); ok && base != "" {
		if s, ok := parseSection(base, rest, value); ok {
			p.sections = append(p.sections, s)
			return
		}
	}
	if !isPlain(value) && !strings.EqualFold(name, "boundary") { // which is compared byte by byte
		value = DecodeHeader(value)
	}
	if p.params == nil {
		p.params = make([]Param, 0, 2)
	}
	p.params = append(p.params, Param{name, value})
}

// paramSection is a parameter name*index or name*index* (RFC 2231 §3, §4).
type paramSection struct {
	name, value string
	index       int
	extended    bool // the value has percent escapes
}

func parseSection(name, rest, value string) (paramSection, bool) {
	s := paramSection{name: name, value: value}
	number, found := strings.CutSuffix(rest, "*")
	s.extended = found || rest == ""
	for i := range len(number) {
		if !isDigit(number[i]) || i > 5 {
			return s, false
		}
	}
	s.index = digits(number)
	return s, true
}

// result joins the sections to parameters. Those win over a plain parameter of
// the same name, which is there for old readers only.
func (p *paramParser) result() []Param {
	if len(p.sections) == 0 {
		return p.params
	}
	slices.SortStableFunc(p.sections, func(a, b paramSection) int {
		if c := strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)); c != 0 {
			return c
		}
		return a.index - b.index
	})
	for len(p.sections) > 0 {
		n := 1
		for n < len(p.sections) && strings.EqualFold(p.sections[n].name, p.sections[0].name) {
			n++
		}
		joined := joinSections(p.sections[:n])
		p.params = slices.DeleteFunc(p.params, func(o Param) bool { return strings.EqualFold(o.Name, joined.Name) })
		p.params = append(p.params, joined)
		p.sections = p.sections[n:]
	}
	return p.params
}

// joinSections decodes a value only when it is whole, since a character may be
// cut in two.
func joinSections(sections []paramSection) Param {
	charset := ""
	var value []byte
	for i, s := range sections {
		if i > 0 && s.index == sections[i-1].index {
			continue // said twice
		}
		if !s.extended {
			value = append(value, s.value...)
			continue
		}
		text := s.value
		if i == 0 {
			if parts := strings.SplitN(text, "'", 3); len(parts) == 3 {
				charset, text = parts[0], parts[2]
			}
		}
		value = appendPercentDecoded(value, text)
	}
	if strings.EqualFold(sections[0].name, "boundary") {
		return Param{sections[0].name, string(value)}
	}
	return Param{sections[0].name, DecodeHeader(decodeText(charset, value))}
}

func appendPercentDecoded(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			dst = append(dst, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		dst = append(dst, s[i])
	}
	return dst
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// isTokenByte says whether c may stand in a token (RFC 2045 §5.1).
func isTokenByte(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`()<>@,;:\"/[]?=`, c) < 0
}

func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}
