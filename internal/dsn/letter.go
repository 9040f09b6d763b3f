package dsn

import (
	"mime"
	"strings"
	"time"

	"posthorn/internal/addr"
)

// Letter is what the server has to say to somebody that is about none of his mail, in
// words only.
type Letter struct {
	// These are what they are in a Report.
	ID       string
	Date     time.Time
	Host     string
	From, To addr.Address

	Language Language // of Subject and Text
	Subject  string
	Text     string // its lines end in "\n"
}

// Build makes the message, lines ending in CRLF.
func (l Letter) Build() []byte {
	words := l.Language.words()
	l.Subject = shorten(oneLine(l.Subject))
	f := l.header(words.server)
	// RFC 3834 §5.1: nobody has asked for it, and no program answers it.
	f.raw("Auto-Submitted", "auto-generated")
	f.raw("MIME-Version", "1.0")
	lines := strings.Split(strings.TrimSpace(l.Text), "\n")
	for i := range lines {
		lines[i] = oneLine(lines[i])
	}
	greeting := strings.Replace(words.greeting, "%s", oneLine(l.Host), 1)
	return append(f.b, textPart(greeting+"\r\n\r\n"+strings.Join(lines, "\r\n")+"\r\n")...)
}

// header begins the header of whatever the server writes to somebody.
func (l *Letter) header(sender string) (f fields) {
	f.raw("From", mime.QEncoding.Encode("utf-8", sender)+" <"+spell(l.From)+">")
	f.raw("To", "<"+spell(l.To)+">")
	f.raw("Subject", encodeWords(l.Subject))
	f.raw("Date", l.Date.Format(time.RFC1123Z))
	f.raw("Message-ID", "<"+oneLine(l.ID)+"@"+oneLine(l.Host)+">")
	return f
}
