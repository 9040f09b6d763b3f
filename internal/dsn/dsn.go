// Package dsn owns what senders are told of their mail: the delivery status
// notifications of RFC 3461 to 3464, in words for people and in fields for programs.
// Other letters of the server have the same header, and speak the same languages.
//
// It is pure: a Report goes in, the bytes of a message come out. It sends nothing,
// reads no clock, and does not decide when a notification is due; but it knows who
// wants one (Notify.Wants), and it makes none to the null sender, for such a
// message could come back for ever.
//
// Invariants: what remote servers and senders have written stays within the line
// and the field in which it is quoted, whatever it is; the machine's part is ASCII;
// every line of the message is short enough to travel.
//
// Flow: Build writes the header, then three parts: text in the sender's language
// (text.go, with the words of english.go or chinese.go; reason.go says which fit a
// status code), fields (status.go), and the original message or its header
// (original.go). A Letter is a header and text (letter.go).
package dsn

import (
	"bytes"
	"mime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/message"
	"posthorn/internal/smtpwire"
)

// Report is what is to be told of one message.
type Report struct {
	ID   string       // names the notification: the left side of its Message-ID
	Date time.Time    // of the notification; its zone is used throughout
	Host string       // our name, a fully qualified domain
	From addr.Address // who answers people that write back
	To   addr.Address // the message's reverse-path
	// Language of the sender as in RFC 5646, "zh-CN". What is not known is English.
	Language string

	QueueID    string    // names the message in our logs
	Arrived    time.Time // when we took it over
	EnvelopeID string    // of ENVID, decoded; "" if there was none
	Return     Return
	Original   Original

	Recipients []Recipient // at least one
}

// Recipient is what became of the message for one recipient.
type Recipient struct {
	Address  addr.Address
	Original string // of ORCPT, decoded: "rfc822;bob@example.test"; "" if there was none
	Action   Action
	// Status is for what no reply tells; zero: the one of Reply, else what fits Action.
	Status smtpwire.EnhancedCode
	Reply  smtpwire.Reply // the last word on the matter; zero if nobody said anything
	Remote string         // who said it: a host's name, and perhaps its address after a space; "": we
	// Expired is set for a Failed that was not refused, but tried in vain for too long.
	Expired     bool
	LastAttempt time.Time
	RetryUntil  time.Time // of a Delayed: when we give up
}

// Build makes the notification, lines ending in CRLF. It fails with fault.Invalid
// for the null sender, and if there is nothing to tell.
func Build(r *Report) ([]byte, error) {
	if r.To.IsZero() {
		return nil, fault.New(fault.Invalid, "dsn: no notification may go to the null sender")
	}
	if len(r.Recipients) == 0 {
		return nil, fault.New(fault.Invalid, "dsn: a notification about nobody")
	}
	words := LanguageOf(r.Language).words()
	parts := [][]byte{r.text(words), r.status()}
	if part := r.original(); part != nil {
		parts = append(parts, part)
	}
	boundary := boundaryFor(r.ID, parts)
	dst := r.header(words, boundary)
	for _, part := range parts {
		dst = append(append(append(dst, "--"...), boundary...), '\r', '\n')
		dst = append(dst, part...)
		dst = append(dst, '\r', '\n')
	}
	return append(append(append(dst, "--"...), boundary...), "--\r\n"...), nil
}

// header is the header of the notification, with its blank line.
func (r *Report) header(words *words, boundary string) []byte {
	l := Letter{ID: r.ID, Date: r.Date, Host: r.Host, From: r.From, To: r.To, Subject: r.subject(words)}
	f := l.header(words.sender)
	if id := r.Original.messageID(); id != "" {
		f.raw("In-Reply-To", id)
		f.raw("References", id)
	}
	// RFC 3834 §3.1.7: so that no other program answers it.
	f.raw("Auto-Submitted", "auto-replied")
	f.raw("MIME-Version", "1.0")
	f.raw("Content-Type", `multipart/report; report-type=delivery-status; boundary="`+boundary+`"`)
	return append(f.b, '\r', '\n')
}

// subject says what happened, and to which message.
func (r *Report) subject(words *words) string {
	text := words.subjects[r.gravest()]
	if about := r.Original.subject(); about != "" {
		return text + words.colon + about
	}
	return text
}

// gravest is what the subject speaks of when recipients fared differently.
func (r *Report) gravest() Action {
	gravest := r.Recipients[0].Action
	for _, to := range r.Recipients {
		gravest = min(gravest, to.Action)
	}
	return gravest
}

// spell writes an address as it stands in a header: in ASCII if that is possible.
func spell(a addr.Address) string {
	if canonical, err := a.Canonical(); err == nil {
		a = canonical
	}
	return oneLine(a.String())
}

// encodeWords writes text for a header field, one encoded word a line.
func encodeWords(text string) string {
	return strings.ReplaceAll(mime.BEncoding.Encode("utf-8", text), "?= =?", "?=\r\n =?")
}

// boundaryFor finds a boundary that none of the parts contains.
func boundaryFor(id string, parts [][]byte) string {
	base := strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
			return c
		}
		return -1
	}, id)
	for n := 0; ; n++ {
		boundary := "=_" + base[:min(len(base), 40)] + "_" + strconv.Itoa(n)
		if !containsAny(parts, []byte("--"+boundary)) {
			return boundary
		}
	}
}

func containsAny(parts [][]byte, s []byte) bool {
	for _, part := range parts {
		if bytes.Contains(part, s) {
			return true
		}
	}
	return false
}

// oneLine makes control characters and broken UTF-8 visible, so that what others
// have written cannot begin lines of its own.
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || 0x7f <= c && c < 0xa0 || c == utf8.RuneError || c == 0x2028 || c == 0x2029 {
			return '?'
		}
		return c
	}, s)
}

// isASCII says that there is no byte above 127.
func isASCII[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// fieldOf finds the value of the first field of a name in a header block.
func fieldOf(header []byte, name string) string {
	for f := range message.Fields(header) {
		if strings.EqualFold(string(f.Name), name) {
			return string(f.Value)
		}
	}
	return ""
}
