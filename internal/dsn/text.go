package dsn

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"strings"
	"time"
	"unicode/utf8"

	"posthorn/internal/message"
)

// words are what a notification says in one language.
type words struct {
	sender   string // who we are, in From
	server   string // the same in letters that are not about mail
	colon    string // between what happened and the subject
	greeting string // %s: our name
	subjects [numActions]string
	headings [numActions]string
	closing  [numActions]string // what follows for the sender; of Delayed %s: until when it is tried
	// reasons say what happened, and what the sender can do if it is final.
	reasons [numReasons]struct{ what, advice string }

	inVain    string // %s: for how long it was tried
	theySaid  string // %s: the host; %s: its reply
	weSaid    string // %s: the reply
	about     string // the heading over what is known of the message
	subject   string // %s
	sent      string // %s: the Date field
	reference string // %s: our name for it

	wholeAttached, headerAttached string

	moment string // layout of a time, for package time
	// duration spells a time span, rounded.
	duration func(time.Duration) string
}

// Language is one that people are written to in.
type Language uint8

// The languages.
const (
	English Language = iota
	Chinese
	NumLanguages
)

// LanguageOf is the one to write in to somebody whose own is as in RFC 5646, "zh-CN".
// What is not known is English.
func LanguageOf(tag string) Language {
	if primary, _, _ := strings.Cut(strings.ToLower(tag), "-"); primary == "zh" {
		return Chinese
	}
	return English
}

func (l Language) words() *words {
	return [NumLanguages]*words{English: &english, Chinese: &chinese}[l]
}

// text is the part for people.
func (r *Report) text(w *words) []byte {
	var b strings.Builder
	say := func(format string, args ...any) {
		fmt.Fprintf(&b, format, args...)
		b.WriteString("\r\n")
	}
	say(w.greeting, oneLine(r.Host))
	for action := range numActions {
		listed := false
		for i := range r.Recipients {
			to := &r.Recipients[i]
			if to.Action != action {
				continue
			}
			if !listed {
				say("\r\n%s", w.headings[action])
				listed = true
			}
			r.tell(w, to, say)
		}
		switch {
		case !listed || w.closing[action] == "":
		case action == Delayed:
			say("\r\n"+w.closing[action], r.until(w))
		default:
			say("\r\n%s", w.closing[action])
		}
	}
	r.describe(w, say)
	return textPart(b.String())
}

// tell says what became of one recipient.
func (r *Report) tell(w *words, to *Recipient, say func(string, ...any)) {
	say("\r\n    %s", to.spelled())
	if to.Action >= Relayed {
		return
	}
	if to.Expired && !r.Arrived.IsZero() {
		say("    "+w.inVain, w.duration(r.Date.Sub(r.Arrived)))
	}
	why := w.reasons[to.reason()]
	switch {
	case to.Action == Failed && why.advice != "":
		say("    %s %s", why.what, why.advice)
	case why.what != "":
		say("    %s", why.what)
	}
	if to.Reply.IsZero() {
		return
	}
	lines := replyLines(to.Reply)
	for i := range lines {
		lines[i] = oneLine(lines[i])
	}
	reply := strings.Join(lines, "\r\n      ")
	if to.Remote == "" {
		say("    "+w.weSaid, reply)
	} else {
		say("    "+w.theySaid, oneLine(to.Remote), reply)
	}
}

// spelled is the address, and in brackets the one that the sender knows, of which it
// is what was made on the way.
func (to *Recipient) spelled() string {
	address := to.Address.String()
	if _, written, _ := strings.Cut(to.Original, ";"); written != "" && !strings.EqualFold(written, address) {
		address += " (" + written + ")"
	}
	return oneLine(address)
}

// until is when the last of the delayed recipients is given up.
func (r *Report) until(w *words) string {
	var last time.Time
	for _, to := range r.Recipients {
		if to.Action == Delayed && to.RetryUntil.After(last) {
			last = to.RetryUntil
		}
	}
	return last.In(r.Date.Location()).Format(w.moment)
}

// describe says which message this is about, and where it is.
func (r *Report) describe(w *words, say func(string, ...any)) {
	say("\r\n%s", w.about)
	if subject := r.Original.subject(); subject != "" {
		say("    "+w.subject, subject)
	}
	if date := oneLine(message.DecodeHeader(fieldOf(r.Original.header(), "Date"))); date != "" {
		say("    "+w.sent, date)
	}
	say("    "+w.reference, oneLine(r.QueueID))
	switch {
	case len(r.Original.Data) == 0:
	case r.wholeReturned():
		say("\r\n%s", w.wholeAttached)
	default:
		say("\r\n%s", w.headerAttached)
	}
}

// mostlyASCII is how many of a text's bytes may be above 127, one in so many, for
// quoted-printable to stay readable.
const mostlyASCII = 10

// textPart makes a body part of text, encoded so that it travels everywhere.
func textPart(text string) []byte {
	high := 0
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			high++
		}
	}
	f := fields{}
	switch {
	case high == 0 && longestLine(text) <= 78:
		f.raw("Content-Type", "text/plain; charset=us-ascii")
		f.blank()
		return append(f.b, text...)
	case high*mostlyASCII < len(text):
		f.raw("Content-Type", "text/plain; charset=utf-8")
		f.raw("Content-Transfer-Encoding", "quoted-printable")
		f.blank()
		return append(f.b, quotedPrintable([]byte(text), false)...)
	default:
		f.raw("Content-Type", "text/plain; charset=utf-8")
		f.raw("Content-Transfer-Encoding", "base64")
		f.blank()
		return append(f.b, inBase64(text)...)
	}
}

func longestLine[T string | []byte](text T) int {
	longest, at := 0, 0
	for i := range len(text) {
		if text[i] == '\n' {
			longest, at = max(longest, i-at), i+1
		}
	}
	return max(longest, len(text)-at)
}

func quotedPrintable(text []byte, binary bool) []byte {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	w.Binary = binary
	_, _ = w.Write(text) // a bytes.Buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// inBase64 encodes in lines of 76 characters.
func inBase64(text string) []byte {
	const perLine = 57
	var dst []byte
	for ; len(text) > perLine; text = text[perLine:] {
		dst = append(base64.StdEncoding.AppendEncode(dst, []byte(text[:perLine])), '\r', '\n')
	}
	return base64.StdEncoding.AppendEncode(dst, []byte(text))
}
