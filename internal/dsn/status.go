package dsn

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"posthorn/internal/addr"
	"posthorn/internal/smtpwire"
)

// status is the part for programs: message/delivery-status of RFC 3464.
func (r *Report) status() []byte {
	f := fields{}
	f.add("Content-Type", "message/delivery-status")
	f.blank()
	f.add("Reporting-MTA", "dns; "+r.Host)
	if r.EnvelopeID != "" {
		// RFC 3461 §6.3 (a): not in xtext here.
		f.add("Original-Envelope-Id", r.EnvelopeID)
	}
	f.add("Arrival-Date", r.stamp(r.Arrived))
	for i := range r.Recipients {
		f.blank()
		r.recipient(&f, &r.Recipients[i])
	}
	return f.b
}

// recipient writes the fields of one recipient (RFC 3464 §2.3).
func (r *Report) recipient(f *fields, to *Recipient) {
	if to.Original != "" {
		kind, address, _ := strings.Cut(to.Original, ";")
		f.add("Original-Recipient", kind+"; "+address)
	}
	f.add("Final-Recipient", typed(to.Address))
	f.add("Action", to.Action.String())
	f.add("Status", to.status().String())
	if to.Remote != "" {
		host, where, _ := strings.Cut(to.Remote, " ")
		remote := "dns; " + host
		if where != "" {
			remote += " (" + strings.NewReplacer("(", "", ")", "", `\`, "").Replace(where) + ")"
		}
		f.add("Remote-MTA", remote)
	}
	f.add("Diagnostic-Code", diagnostic(to)...)
	f.add("Last-Attempt-Date", r.stamp(to.LastAttempt))
	f.add("Final-Log-ID", r.QueueID)
	if to.Action == Delayed {
		f.add("Will-Retry-Until", r.stamp(to.RetryUntil))
	}
}

// stamp is a time as mail writes it; "" for none.
func (r *Report) stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(r.Date.Location()).Format(time.RFC1123Z)
}

// typed is an address with its type. RFC 6533 §3: what is not ASCII is written out
// in a form that is, since this part has to be ASCII.
func typed(a addr.Address) string {
	if canonical, err := a.Canonical(); err == nil {
		a = canonical
	}
	if a.IsASCII() {
		return "rfc822; " + a.String()
	}
	var b strings.Builder
	b.WriteString("utf-8; ")
	for _, c := range a.String() {
		if c > ' ' && c < 0x7f && c != '+' && c != '=' && c != '\\' {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, `\x{%X}`, c)
		}
	}
	return b.String()
}

// expired is the status of what was tried for too long (RFC 3463 §3.5).
var expired = smtpwire.EnhancedCode{4, 4, 7}

// status is the most exact status code there is, of the class that the action
// allows (RFC 3464 §2.3.4).
func (to *Recipient) status() smtpwire.EnhancedCode {
	code := to.Status
	if code == (smtpwire.EnhancedCode{}) {
		code = to.Reply.Enhanced
		if to.Expired {
			code = expired
		}
	}
	switch {
	case to.Action >= Relayed:
		code[0] = 2
	case to.Action == Delayed:
		code[0] = 4
	case code[0] != 4 || !to.Expired:
		code[0] = 5
	}
	return code
}

// diagnostic is the exact reply, line by line (RFC 3461 §9.2). Replies of our own
// are no replies of SMTP.
func diagnostic(to *Recipient) []string {
	if to.Reply.IsZero() {
		return nil
	}
	kind := "smtp; "
	if to.Remote == "" {
		kind = "x-posthorn; "
	}
	lines := replyLines(to.Reply)
	lines[0] = kind + lines[0]
	return lines
}

// replyLines is a reply as it came over the wire.
func replyLines(r smtpwire.Reply) []string {
	lines := make([]string, 0, max(len(r.Lines), 1))
	for i := range max(len(r.Lines), 1) {
		line := strconv.Itoa(r.Code)
		if i < len(r.Lines)-1 {
			line += "-"
		} else {
			line += " "
		}
		if r.Enhanced != (smtpwire.EnhancedCode{}) {
			line += r.Enhanced.String() + " "
		}
		if i < len(r.Lines) {
			line += r.Lines[i]
		}
		lines = append(lines, line)
	}
	return lines
}

// fields writes header fields.
type fields struct{ b []byte }

// foldAt is where lines are folded if they can be; RFC 5322 §2.1.1.
const foldAt = 76

// longestWord is how much of a word without spaces goes on one line. It must fit
// into 998 bytes beside the name of any field.
const longestWord = 900

func (f *fields) blank() { f.b = append(f.b, '\r', '\n') }

// raw writes one field as it is. Its value may be in UTF-8 (RFC 6532).
func (f *fields) raw(name, value string) {
	f.b = append(append(f.b, name...), ": "...)
	f.b = append(append(f.b, value...), '\r', '\n')
}

// add writes one field in ASCII, folded; without a value, it is left out. Further lines are put on
// lines of their own.
func (f *fields) add(name string, lines ...string) {
	if len(lines) == 0 || lines[0] == "" {
		return
	}
	f.b = append(append(f.b, name...), ':')
	width := len(name) + 1
	for i, line := range lines {
		if i > 0 {
			f.fold(&width)
		}
		for word := range strings.FieldsSeq(escape(line)) {
			for len(word) > longestWord {
				f.word(word[:longestWord], &width)
				word = word[longestWord:]
			}
			f.word(word, &width)
		}
	}
	f.b = append(f.b, '\r', '\n')
}

// fold begins a new line of the same field. The space that word puts first makes
// it a continuation.
func (f *fields) fold(width *int) {
	f.b = append(f.b, '\r', '\n')
	*width = 0
}

func (f *fields) word(word string, width *int) {
	if *width > 0 && *width+1+len(word) > foldAt {
		f.fold(width)
	}
	f.b = append(append(f.b, ' '), word...)
	*width += 1 + len(word)
}

// escape turns text into ASCII without control characters, readably.
func escape(s string) string {
	if isASCII(s) {
		return oneLine(s)
	}
	var b strings.Builder
	for _, c := range oneLine(s) {
		if c < utf8.RuneSelf {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, `\x{%X}`, c)
		}
	}
	return b.String()
}
