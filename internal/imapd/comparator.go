package imapd

import (
	"context"
	"strings"

	"posthorn/internal/casemap"
	"posthorn/internal/imapwire"
)

// comparator is COMPARATOR (RFC 5255 §4.7): by what texts are compared from now on in
// SEARCH, SORT and THREAD. The index knows i;unicode-casemap alone, so searches by
// another are slower.
func (s *session) comparator(context.Context, *command) error {
	var wanted []string
	for !s.dec.AtEnd() {
		var one string
		if !s.dec.SP() || !s.dec.AString(&one) {
			return s.syntax()
		}
		if wanted = append(wanted, one); len(wanted) > maxComparators {
			return no("LIMIT", "That is too much to choose from")
		}
	}
	if !s.dec.End() {
		return s.syntax()
	}
	var matching []casemap.Collation
	for _, pattern := range wanted {
		for _, c := range casemap.Collations() {
			if matchesCollation(pattern, c.Name) && !containsCollation(matching, c.Name) {
				matching = append(matching, c)
			}
		}
	}
	switch {
	case len(matching) > 0:
		s.collation = matching[0]
	case len(wanted) > 0:
		return no("BADCOMPARATOR", "There are i;unicode-casemap, i;ascii-casemap and i;octet")
	}
	b := imapwire.AppendAString(append(s.conn.AvailableBuffer(), "* COMPARATOR "...), s.collation.Name)
	if len(matching) > 1 { // RFC 5255 §4.8
		sep := " ("
		for _, c := range matching {
			b = imapwire.AppendAString(append(b, sep...), c.Name)
			sep = " "
		}
		b = append(b, ')')
	}
	s.conn.Write(append(b, "\r\n"...))
	return nil
}

// maxComparators is how many a client may choose from.
const maxComparators = 100

func containsCollation(list []casemap.Collation, name string) bool {
	for _, c := range list {
		if c.Name == name {
			return true
		}
	}
	return false
}

// matchesCollation reports whether a collation is meant (RFC 4790 §3.2): "*" stands for
// anything, "default" for the server's own.
func matchesCollation(pattern, name string) bool {
	if strings.EqualFold(pattern, "default") {
		return name == casemap.Unicode.Name
	}
	first, rest, wild := strings.Cut(strings.ToLower(pattern), "*")
	if !wild {
		return first == name
	}
	name, ok := strings.CutPrefix(name, first)
	for ok {
		first, rest, wild = strings.Cut(rest, "*")
		if !wild {
			return strings.HasSuffix(name, first)
		}
		_, name, ok = strings.Cut(name, first)
	}
	return false
}
