package dsn

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"posthorn/internal/message"
)

// Original is the message that a notification is about, as far as it is at hand.
type Original struct {
	Data  []byte // its header and perhaps more; empty if it cannot be read
	Whole bool   // Data is all of it
}

// maxHeader is how much of a header is given back.
const maxHeader = 64 << 10

// header is the header block without its blank line.
func (o Original) header() []byte {
	end := 0
	for f := range message.Fields(o.Data) {
		if end+len(f.Raw) > maxHeader {
			break
		}
		end += len(f.Raw)
	}
	return o.Data[:end]
}

// maxSubject is how many characters of a subject are quoted.
const maxSubject = 100

// subject is the message's own, shortened.
func (o Original) subject() string {
	return shorten(strings.TrimSpace(oneLine(message.DecodeHeader(fieldOf(o.header(), "Subject")))))
}

// shorten makes a subject of text that may be of any length.
func shorten(text string) string {
	if utf8.RuneCountInString(text) > maxSubject {
		text = string([]rune(text)[:maxSubject]) + "..."
	}
	return text
}

// messageID is the message's own with its angle brackets; "" if it is none.
func (o Original) messageID() string {
	id := strings.TrimSpace(fieldOf(o.header(), "Message-ID"))
	if len(id) < 3 || len(id) > 250 || id[0] != '<' || id[len(id)-1] != '>' || !isASCII(id) || strings.ContainsAny(id, " \t\r\n") {
		return ""
	}
	return oneLine(id)
}

// wholeReturned says whether the whole message is given back: RFC 3461 §6.2, only
// if it failed and the sender asked for it. What could not travel inside another
// message is not.
func (r *Report) wholeReturned() bool {
	return r.Return == ReturnMessage && r.gravest() == Failed && r.Original.Whole && isClean(r.Original.Data)
}

// original is the part with the message or its header; nil if it is not at hand.
// RFC 6533 §4: what has 8-bit headers is of a type that may.
func (r *Report) original() []byte {
	header := r.Original.header()
	kind, data := "text/rfc822-headers", header
	switch whole := r.wholeReturned(); {
	case len(header) == 0:
		return nil
	case whole && isASCII(header):
		kind, data = "message/rfc822", r.Original.Data
	case whole:
		kind, data = "message/global", r.Original.Data
	case !isASCII(header):
		kind = "message/global-headers"
	}
	f := fields{}
	f.raw("Content-Type", kind)
	switch {
	case !isClean(data):
		f.raw("Content-Transfer-Encoding", "quoted-printable")
		data = quotedPrintable(data, true)
	case !isASCII(data):
		f.raw("Content-Transfer-Encoding", "8bit")
	}
	f.blank()
	return append(f.b, data...)
}

// isClean says that data consists of lines as SMTP carries them: ended by CRLF,
// without NUL, of at most 998 bytes.
func isClean(data []byte) bool {
	if bytes.IndexByte(data, 0) >= 0 || longestLine(data) > 998+1 {
		return false
	}
	for i, c := range data {
		if c == '\n' && (i == 0 || data[i-1] != '\r') || c == '\r' && (i+1 == len(data) || data[i+1] != '\n') {
			return false
		}
	}
	return true
}
