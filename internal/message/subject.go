package message

import "strings"

// BaseSubject takes from the value of a Subject field what replies and forwards, and
// mailing lists, put around it (RFC 5256 §2.1, to the letter: clients do the same). reply
// says that something of a reply or forward was there.
func BaseSubject(value string) (base string, reply bool) {
	s := singleSpaced(DecodeHeader(value)) // step 1
	for {
		var found bool
		s, found = cutTrailers(s) // step 2
		reply = reply || found
		s, found = cutLeaders(s) // steps 3 to 5
		reply = reply || found
		inner, ok := cutForward(s) // step 6
		if !ok {
			return s, reply
		}
		s, reply = inner, true
	}
}

// singleSpaced makes one space of each run of blanks.
func singleSpaced(s string) string {
	if !strings.Contains(s, "  ") && !strings.Contains(s, "\t") {
		return s
	}
	var b strings.Builder
	blank := false
	for i := range len(s) {
		c := s[i]
		if c == '\t' {
			c = ' '
		}
		if c != ' ' || !blank {
			b.WriteByte(c)
		}
		blank = c == ' '
	}
	return b.String()
}

// cutTrailers removes every subj-trailer: blanks, and "(fwd)".
func cutTrailers(s string) (rest string, forwarded bool) {
	const trailer = "(fwd)"
	for {
		s = strings.TrimRight(s, " ")
		at := len(s) - len(trailer)
		if at < 0 || !strings.EqualFold(s[at:], trailer) {
			return s, forwarded
		}
		s, forwarded = s[:at], true
	}
}

// cutLeaders removes every subj-leader, and every subj-blob that is not all that is
// left.
func cutLeaders(s string) (rest string, reply bool) {
	for {
		s = strings.TrimLeft(s, " ")
		after := s
		for {
			more, ok := cutBlob(after)
			if !ok {
				break
			}
			after = more
		}
		if more, ok := cutReply(after); ok {
			s, reply = more, true
			continue
		}
		// No reply is behind the blobs, nor will one be behind fewer of them.
		for {
			more, ok := cutBlob(s)
			if !ok || more == "" {
				return s, reply
			}
			s = more
		}
	}
}

// cutBlob removes a subj-blob: "[list] ".
func cutBlob(s string) (rest string, ok bool) {
	if !strings.HasPrefix(s, "[") {
		return s, false
	}
	end := strings.IndexAny(s[1:], "[]")
	if end < 0 || s[1+end] == '[' {
		return s, false
	}
	return strings.TrimLeft(s[end+2:], " "), true
}

// cutReply removes a subj-refwd: "Re:", "Fwd [2]:".
func cutReply(s string) (rest string, ok bool) {
	switch {
	case hasPrefixFold(s, "re"):
		s = s[2:]
	case hasPrefixFold(s, "fwd"):
		s = s[3:]
	case hasPrefixFold(s, "fw"):
		s = s[2:]
	default:
		return s, false
	}
	s = strings.TrimLeft(s, " ")
	s, _ = cutBlob(s)
	return strings.CutPrefix(s, ":")
}

// cutForward removes what surrounds the subject of a message that was forwarded: "[Fwd:
// …]".
func cutForward(s string) (inner string, ok bool) {
	const header, trailer = "[fwd:", "]"
	if len(s) < len(header)+len(trailer) || !hasPrefixFold(s, header) || !strings.HasSuffix(s, trailer) {
		return s, false
	}
	return s[len(header) : len(s)-len(trailer)], true
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
