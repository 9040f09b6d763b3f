package message

import "strings"

// ParseAddressList reads the value of From, To and their like: RFC 5322 §3.4
// with groups, comments, quoted strings and routes, and what real mail has
// besides: semicolons for commas, no commas at all, commas inside encoded
// words, names without an address, quotes and brackets that are never closed.
// It takes at most some thousand addresses.
func ParseAddressList(value string) []Address {
	p := addressParser{s: unfold(value)}
	if p.s == "" {
		return nil
	}
	p.list = make([]Address, 0, min(1+strings.Count(p.s, ","), maxAddresses))
	p.parse()
	if p.inGroup {
		p.list = append(p.list, Address{})
	}
	if len(p.list) == 0 {
		return nil
	}
	return p.list
}

// maxLiteral is the longest domain literal, like [IPv6:…], that is seen as one.
const maxLiteral = 64

// addressParser cuts the list into entries at the separators that stand neither
// in quotes nor in comments nor in angle brackets, then reads each entry.
type addressParser struct {
	s       string
	list    []Address
	inGroup bool

	start     int // of the current entry
	open, end int // of its angle brackets: s[open] is '<', s[end-1] its '>'; 0 if there are none

	plainColon bool // a colon was met in the entry that does not begin a group
	// Something without an end was met, and is not looked for again: without
	// that, a list could be made to cost the square of its length.
	noQuote, noComment, noAngle bool
}

func (p *addressParser) parse() {
	for i := 0; i < len(p.s); {
		switch c := p.s[i]; c {
		case ',', ';', ':':
			i = p.separator(i)
		case '<':
			if p.end > 0 { // an entry without a comma before it
				p.entry(p.end)
				p.begin(p.end)
			}
			p.open, p.end = i, p.angleEnd(i)
			i = p.end
		default:
			i = p.skip(i)
		}
		if len(p.list) >= maxAddresses {
			return
		}
	}
	p.entry(len(p.s))
}

// begin starts a new entry.
func (p *addressParser) begin(at int) {
	p.start, p.open, p.end, p.plainColon = at, 0, 0, false
}

// skip passes over one byte, or over all that it opens.
func (p *addressParser) skip(i int) int {
	switch p.s[i] {
	case '"':
		return i + p.quoted(i)
	case '(':
		if p.noComment {
			break
		}
		if n := commentLength(p.s[i:]); p.s[i+n-1] == ')' {
			return i + n
		}
		p.noComment = true
	case '[': // a domain literal may have colons
		literal := p.s[i:min(i+maxLiteral, len(p.s))]
		if n := strings.IndexAny(literal, "]<,;"); n > 0 && literal[n] == ']' {
			return i + n + 1
		}
	case '=':
		if i+1 < len(p.s) && p.s[i+1] == '?' {
			if w, ok := parseWord(p.s[i:]); ok {
				return i + w.length
			}
		}
	}
	return i + 1
}

// quoted is the length of the quoted string at i, or 1 if it has no end.
func (p *addressParser) quoted(i int) int {
	n := 0
	if !p.noQuote {
		n = quotedLength(p.s[i:])
		p.noQuote = n == 0
	}
	return max(n, 1)
}

// separator ends the entry before the separator at i, and begins or ends a
// group (RFC 5322 §3.4).
func (p *addressParser) separator(i int) int {
	if p.s[i] == ':' {
		if p.inGroup || p.end > 0 || p.plainColon {
			return i + 1
		}
		name := phrase(p.s[p.start:i])
		if name == "" || strings.IndexByte(name, '@') >= 0 {
			p.plainColon = true
			return i + 1
		}
		p.list = append(p.list, Address{Mailbox: name})
		p.inGroup = true
	} else {
		p.entry(i)
		if p.s[i] == ';' && p.inGroup {
			p.list = append(p.list, Address{})
			p.inGroup = false
		}
	}
	p.begin(i + 1)
	return i + 1
}

// angleEnd is behind the '>' that closes the bracket at i. One that is never
// closed ends at the next separator.
func (p *addressParser) angleEnd(i int) int {
	for j := i + 1; j < len(p.s) && !p.noAngle; j++ {
		switch p.s[j] {
		case '>':
			return j + 1
		case '"':
			j += p.quoted(j) - 1
		}
	}
	p.noAngle = true
	if n := strings.IndexAny(p.s[i+1:], ",;"); n >= 0 {
		return i + 1 + n
	}
	return len(p.s)
}

// entry reads the entry that ends at byte end.
func (p *addressParser) entry(end int) {
	if p.end == 0 {
		p.bare(p.s[p.start:end])
		return
	}
	a := Address{Name: phrase(p.s[p.start:p.open])}
	if a.Name == "" {
		a.Name = firstComment(p.s[p.end:max(end, p.end)])
	}
	inner := strings.Trim(p.s[p.open:p.end], "<> \t")
	if strings.HasPrefix(inner, "@") { // RFC 5322 §4.4: a route
		if i := strings.IndexByte(inner, ':'); i > 0 {
			a.Route, inner = inner[:i], inner[i+1:]
		}
	}
	a.Mailbox, a.Host = splitAddress(inner)
	p.list = append(p.list, a)
}

// bare reads an entry without angle brackets: an address, several that lack
// their commas, or just a name.
func (p *addressParser) bare(s string) {
	comment := ""
	if strings.IndexByte(s, '(') >= 0 {
		comment = firstComment(s)
		s = dropComments(s)
	}
	s = strings.Trim(s, " \t")
	switch {
	case s == "":
	case !strings.Contains(s, "@"):
		if name := phrase(s); name == s && !strings.ContainsAny(s, " \t") {
			p.list = append(p.list, Address{Name: comment, Mailbox: s, Host: MissingDomain})
		} else if name != "" {
			p.list = append(p.list, Address{Name: name, Mailbox: MissingMailbox, Host: MissingDomain})
		}
	case !strings.ContainsAny(s, " \t"):
		mailbox, host := splitAddress(s)
		p.list = append(p.list, Address{Name: comment, Mailbox: mailbox, Host: host})
	default:
		p.spaced(s, comment)
	}
}

// spaced reads words of which some are addresses. Blanks around "." and "@" do
// not part a word (RFC 5322 §4.4); what is no address names the next one.
func (p *addressParser) spaced(s, comment string) {
	nameStart, wordStart := 0, 0
	for i := 0; i < len(s); {
		for i < len(s) && !isBlank(s[i]) {
			n := 0
			if s[i] == '"' && !p.noQuote {
				n = quotedLength(s[i:])
				p.noQuote = n == 0
			}
			i += max(n, 1)
		}
		next := i
		for next < len(s) && isBlank(s[next]) {
			next++
		}
		if next < len(s) && (joins(s[i-1]) || joins(s[next])) {
			i = next
			continue
		}
		if word := s[wordStart:i]; lastAt(word) >= 0 && len(p.list) < maxAddresses {
			a := Address{Name: phrase(s[nameStart:wordStart])}
			if a.Name == "" {
				a.Name = comment
			}
			a.Mailbox, a.Host = splitAddress(word)
			p.list = append(p.list, a)
			nameStart = next
		}
		wordStart, i = next, next
	}
}

func joins(c byte) bool { return c == '.' || c == '@' }

// splitAddress cuts local part and domain apart and takes comments, blanks and
// quotes away (RFC 9051 §7.5.2: the mailbox is without its quoting).
func splitAddress(s string) (mailbox, host string) {
	s = dropComments(s)
	mailbox = s
	if at := lastAt(s); at >= 0 {
		mailbox, host = s[:at], dropBytes(s[at+1:], " \t\"")
	}
	if strings.IndexByte(mailbox, '"') >= 0 {
		mailbox = unquote(mailbox)
	} else {
		mailbox = dropBytes(mailbox, " \t")
	}
	if mailbox == "" {
		mailbox = MissingMailbox
	}
	if host == "" {
		host = MissingDomain
	}
	return mailbox, host
}

// lastAt finds the last "@" that is not in quotes, -1 if there is none.
func lastAt(s string) int {
	at := strings.LastIndexByte(s, '@')
	if q := strings.LastIndexByte(s, '"'); at > q {
		return at
	}
	at = -1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			n := quotedLength(s[i:])
			if n == 0 {
				return strings.LastIndexByte(s, '@')
			}
			i += n - 1
		case '@':
			at = i
		}
	}
	return at
}

// phrase is the text of a display name: without comments, quotes and needless
// blanks. Encoded words stay as they are.
func phrase(s string) string {
	s = strings.Trim(s, " \t")
	if n := len(s); n >= 2 && s[0] == '"' && quotedLength(s) == n && strings.IndexByte(s, '\\') < 0 {
		return s[1 : n-1]
	}
	s = strings.Trim(dropComments(s), " \t")
	if strings.IndexByte(s, '"') >= 0 {
		s = unquote(s)
	}
	return s
}

// quotedLength is the length of the quoted string that s begins with, 0 if it
// has no end.
func quotedLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// unquote takes the quotes out of s, and inside them the escapes.
func unquote(s string) string {
	b := make([]byte, 0, len(s))
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted && i+1 < len(s):
			i++
			b = append(b, s[i])
		default:
			b = append(b, s[i])
		}
	}
	return strings.Trim(string(b), " \t")
}

// firstComment is the text of the first comment in s that is not quoted.
func firstComment(s string) string {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			n := quotedLength(s[i:])
			if n == 0 {
				return ""
			}
			i += n - 1
		case '(':
			text := s[i+1 : i+commentLength(s[i:])]
			text = strings.Trim(strings.TrimSuffix(text, ")"), " \t")
			if strings.IndexByte(text, '\\') >= 0 {
				text = unquote(`"` + text + `"`)
			}
			return text
		}
	}
	return ""
}

// dropComments takes the comments out of s. One without an end stays, and all
// that follows a quote without an end.
func dropComments(s string) string {
	if strings.IndexByte(s, '(') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		n := 1
		switch s[i] {
		case '"':
			if n = quotedLength(s[i:]); n == 0 {
				n = len(s) - i
			}
		case '(':
			if n = commentLength(s[i:]); s[i+n-1] == ')' {
				i += n
				continue
			}
		}
		b = append(b, s[i:i+n]...)
		i += n
	}
	return string(b)
}

// dropBytes takes all bytes of the set out of s.
func dropBytes(s, set string) string {
	if !strings.ContainsAny(s, set) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if strings.IndexByte(set, s[i]) < 0 {
			b = append(b, s[i])
		}
	}
	return string(b)
}
