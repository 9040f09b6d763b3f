package message

import (
	"html"
	"strings"
)

// htmlText is the text of an HTML document, or of the start of one: without
// tags, comments, scripts and styles, entities decoded. An element that begins
// a line of its own leaves a blank. It stops once there is enough for limit
// characters.
func htmlText(doc string, limit int) string {
	var t htmlBuilder
	for doc != "" && t.Len() < 16*limit { // there are characters of several bytes, and some that are not shown
		lt := strings.IndexByte(doc, '<')
		if lt < 0 {
			t.text(doc)
			break
		}
		t.text(doc[:lt])
		doc = doc[lt:]
		if !isTagStart(doc) {
			t.text("<")
			doc = doc[1:]
			continue
		}
		name, rest := cutTag(doc)
		if !isInlineTag(name) {
			t.blank()
		}
		if isHiddenTag(name) {
			rest = skipElement(rest, name)
		}
		doc = rest
	}
	return t.String()
}

type htmlBuilder struct {
	strings.Builder
	blanked bool // the last thing written is a blank
}

// text writes what stands between two tags; often that is but indentation.
func (t *htmlBuilder) text(s string) {
	if s == "" {
		return
	}
	s = html.UnescapeString(s)
	if strings.TrimSpace(s) == "" {
		t.blank()
		return
	}
	t.WriteString(s)
	t.blanked = false
}

func (t *htmlBuilder) blank() {
	if !t.blanked {
		t.WriteByte(' ')
		t.blanked = true
	}
}

// isTagStart says whether "<" begins a tag or a comment rather than standing
// for itself.
func isTagStart(s string) bool {
	return len(s) > 1 && (isAlpha(s[1]) || s[1] == '/' || s[1] == '!' || s[1] == '?')
}

// cutTag takes a tag or comment off the front of s and gives its name in lower
// case: "p", "/p", "" for comments. An unfinished one takes all of s.
func cutTag(s string) (name, rest string) {
	if comment, ok := strings.CutPrefix(s, "<!--"); ok {
		_, rest, _ = strings.Cut(comment, "-->")
		return "", rest
	}
	i := 1
	for i < len(s) && (isAlpha(s[i]) || isDigit(s[i]) || i == 1 && s[i] == '/') {
		i++
	}
	name = strings.ToLower(s[1:i])
	for i < len(s) {
		switch c := s[i]; c {
		case '>':
			return name, s[i+1:]
		case '"', '\'':
			if s[i-1] == '=' { // the value of an attribute may have ">" in it
				if n := strings.IndexByte(s[i+1:], c); n >= 0 {
					i += n + 1
				}
			}
		}
		i++
	}
	return name, ""
}

// skipElement passes over all up to the end tag of the element; if there is
// none, over all.
func skipElement(s, name string) string {
	for {
		i := strings.Index(s, "</")
		if i < 0 {
			return ""
		}
		s = s[i:]
		if len(s) >= len(name)+2 && strings.EqualFold(s[2:2+len(name)], name) {
			_, rest := cutTag(s)
			return rest
		}
		s = s[2:]
	}
}

// isHiddenTag says whether the content of the element is not shown as text.
func isHiddenTag(name string) bool {
	switch name {
	case "style", "script", "title", "template", "textarea", "select", "noframes", "xml":
		return true
	}
	return false
}

// isInlineTag says whether text goes on in the same line and word around the tag.
func isInlineTag(name string) bool {
	switch strings.TrimPrefix(name, "/") {
	case "", "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "em", "font", "i", "ins",
		"kbd", "mark", "q", "s", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "wbr":
		return true
	}
	return false
}

// lastEntity is the entity at the end of s that may not be complete, "" if
// there is none.
func lastEntity(s string) string {
	const longest = 32
	tail := s[max(0, len(s)-longest):]
	i := strings.LastIndexByte(tail, '&')
	if i < 0 || strings.ContainsAny(tail[i:], "; <\n") {
		return ""
	}
	return tail[i:]
}
