package message

import (
	"strings"
	"time"

	"posthorn/internal/fault"
)

// ParseDate reads the date of a Date field: RFC 5322 §3.3 with its obsolete
// forms (§4.3), comments anywhere, and what else is met in real mail: no day
// of the week or one in another language, asctime and ISO 8601 order, dashes,
// no seconds, no zone (taken as UTC), zones like "GMT+0200".
func ParseDate(s string) (time.Time, error) {
	var d dateParts
	s = closeUpDate(s)
	for i := 0; i < len(s); {
		n := dateTokenLength(s[i:])
		if n == 0 {
			i++
			continue
		}
		d.take(s, i, n)
		i += n
	}
	if !d.complete() {
		return time.Time{}, fault.New(fault.Invalid, "message: not a date: %.80q", s)
	}
	if d.year < 100 {
		// RFC 5322 §4.3: 00 to 49 are of this century, 50 to 99 of the last;
		// three digits count from 1900.
		d.year += 1900
		if d.year < 1950 {
			d.year += 100
		}
	} else if d.year < 1000 {
		d.year += 1900
	}
	zone := time.UTC
	if d.offset != 0 {
		zone = time.FixedZone("", d.offset*60)
	}
	return time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, d.second, 0, zone), nil
}

// closeUpDate takes out comments and the blanks around colons: between any two
// tokens, also of a time, both may stand (RFC 5322 appendix A.5).
func closeUpDate(s string) string {
	s = dropComments(s)
	if !strings.Contains(s, " :") && !strings.Contains(s, ": ") {
		return s
	}
	parts := strings.Split(s, ":")
	for i := range parts {
		parts[i] = strings.Trim(parts[i], " \t")
	}
	return strings.Join(parts, ":")
}

// dateParts is what of a date was found so far.
type dateParts struct {
	day, month, year     int // day and month are 0 until they are seen
	hour, minute, second int
	offset               int // minutes east of UTC

	haveYear, haveTime, haveZone bool
}

func (d *dateParts) complete() bool {
	return d.day >= 1 && d.day <= 31 && d.month >= 1 && d.month <= 12 && d.haveYear
}

// dateTokenLength is the length of the word, number or time with which s
// begins, 0 if it is a separator.
func dateTokenLength(s string) int {
	switch c := s[0]; {
	case isDigit(c):
		n := 1
		for n < len(s) && (isDigit(s[n]) || s[n] == ':' || s[n] == '.' && n+1 < len(s) && isDigit(s[n+1])) {
			n++
		}
		return n
	case isAlpha(c) || c >= 0x80:
		n := 1
		for n < len(s) && (isAlpha(s[n]) || s[n] >= 0x80) {
			n++
		}
		return n
	}
	return 0
}

// take puts the token s[i:i+n] where it belongs.
func (d *dateParts) take(s string, i, n int) {
	token := s[i : i+n]
	switch {
	case !isDigit(token[0]):
		d.takeWord(token)
	case d.haveTime && !d.haveZone && i > 0 && (s[i-1] == '+' || s[i-1] == '-'):
		d.takeOffset(token, s[i-1] == '-')
	case !d.haveTime && strings.ContainsAny(token, ":.") && d.takeTime(token):
	case strings.ContainsAny(token, ":."):
	default:
		d.takeNumber(token)
	}
}

// takeNumber reads a day, month or year: a day comes first, except in ISO
// 8601's year-month-day.
func (d *dateParts) takeNumber(token string) {
	if len(token) > 4 {
		return
	}
	v := digits(token)
	switch {
	case len(token) >= 3 && !d.haveYear:
		d.year, d.haveYear = v, true
	case d.month == 0 && d.haveYear && d.day == 0:
		d.month = v
	case d.day == 0:
		d.day = v
	case !d.haveYear:
		d.year, d.haveYear = v, true
	}
}

// takeTime reads hour:minute[:second[.fraction]]; dots for colons are let pass.
func (d *dateParts) takeTime(token string) bool {
	var v [3]int
	count := 0
	for part := range strings.FieldsFuncSeq(token, func(r rune) bool { return r == ':' || r == '.' }) {
		if count < len(v) {
			if len(part) > 2 {
				return false
			}
			v[count] = digits(part)
		}
		count++
	}
	if count < 2 || v[0] > 24 || v[1] > 59 || v[2] > 60 { // RFC 5322 §3.3: a leap second is 60
		return false
	}
	d.hour, d.minute, d.second, d.haveTime = v[0], v[1], v[2], true
	return true
}

// takeOffset reads +hhmm, +hh:mm or +hh. What cannot be an offset counts as UTC.
func (d *dateParts) takeOffset(token string, west bool) {
	d.haveZone = true
	hours, minutes := token, ""
	if i := strings.IndexAny(token, ":."); i >= 0 {
		hours, minutes = token[:i], token[i+1:]
	} else if len(token) > 2 {
		hours, minutes = token[:len(token)-2], token[len(token)-2:]
	}
	if len(hours) > 2 || len(minutes) > 2 {
		return
	}
	offset := digits(hours)*60 + digits(minutes)
	if offset >= 24*60 {
		return
	}
	d.offset = offset
	if west {
		d.offset = -offset
	}
}

// takeWord reads the name of a month or a zone, or the T of ISO 8601. Days of
// the week say nothing new.
func (d *dateParts) takeWord(token string) {
	if d.month == 0 && len(token) >= 3 {
		if i := monthIndex(token); i > 0 {
			d.month = i
			return
		}
	}
	if !d.haveTime || d.haveZone {
		return
	}
	// RFC 5322 §4.3: UT, GMT and the zones of North America; all other letters
	// are to be taken as -0000. "GMT+0200" goes on with its offset.
	if len(token) == 3 {
		switch strings.ToUpper(token) {
		case "EDT":
			d.offset, d.haveZone = -4*60, true
		case "EST", "CDT":
			d.offset, d.haveZone = -5*60, true
		case "CST", "MDT":
			d.offset, d.haveZone = -6*60, true
		case "MST", "PDT":
			d.offset, d.haveZone = -7*60, true
		case "PST":
			d.offset, d.haveZone = -8*60, true
		}
	}
}

const monthNames = "janfebmaraprmayjunjulaugsepoctnovdec"

func monthIndex(word string) int {
	for i := 0; i < len(monthNames); i += 3 {
		if strings.EqualFold(word[:3], monthNames[i:i+3]) {
			return i/3 + 1
		}
	}
	return 0
}

// digits is the number that the digits of s spell; other bytes do not occur.
func digits(s string) int {
	v := 0
	for i := range len(s) {
		v = v*10 + int(s[i]-'0')
	}
	return v
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// commentLength is the length of the comment with which s begins, nested ones
// included (RFC 5322 §3.2.2). An unclosed one reaches to the end of s.
func commentLength(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}
