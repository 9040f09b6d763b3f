package smtpclient

import (
	"bufio"
	"errors"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/smtpwire"
)

// How much of a reply is kept, and how much is listened to. RFC 5321 §4.5.3.1.5
// allows 512 octets in a line; what is longer was not meant for anybody to read.
const (
	maxReplyLine = 1 << 10
	maxReplyText = 4 << 10
	maxReply     = 256 << 10
)

// readReply reads a reply (RFC 5321 §4.2). Of one that is too long, the beginning is
// returned as if it were all, with endless set: nothing that follows on the
// connection can be understood then. An error of kind Invalid is no reply at all;
// others are those of the reader.
func readReply(r *bufio.Reader) (reply smtpwire.Reply, endless bool, err error) {
	left, room := maxReply, maxReplyText
	for {
		line, err := readLine(r, &left)
		if err != nil {
			return smtpwire.Reply{}, false, err
		}
		code, text, more, ok := splitLine(line)
		if !ok {
			return smtpwire.Reply{}, false, fault.New(fault.Invalid, "the server does not speak SMTP; it says: %.80s", clean(line))
		}
		// All lines must have the same code; if not, the last one is what the server
		// came to in the end.
		reply.Code = code
		if room -= len(text) + len("\r\n"); room >= 0 || reply.Lines == nil {
			reply.Lines = append(reply.Lines, clean(text))
		}
		if endless = left <= 0; !more || endless {
			takeEnhanced(&reply)
			return reply, endless, nil
		}
	}
}

// readLine reads a line without its end. What does not fit is left out. It reads no
// more than is left.
func readLine(r *bufio.Reader, left *int) (string, error) {
	var line []byte
	for {
		piece, err := r.ReadSlice('\n')
		*left -= len(piece)
		if room := maxReplyLine - len(line); room > 0 {
			line = append(line, piece[:min(room, len(piece))]...)
		}
		switch {
		case err == nil, errors.Is(err, bufio.ErrBufferFull) && *left <= 0:
			return strings.TrimRight(string(line), "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

// splitLine takes `250-text`, `250 text` or `250` apart.
func splitLine(line string) (code int, text string, more, ok bool) {
	if len(line) < 3 {
		return 0, "", false, false
	}
	for i := range 3 {
		if line[i] < '0' || line[i] > '9' {
			return 0, "", false, false
		}
		code = code*10 + int(line[i]-'0')
	}
	switch {
	case code < 200 || code > 599:
		return 0, "", false, false
	case len(line) == 3:
		return code, "", false, true
	case line[3] == '-' || line[3] == ' ':
		return code, line[4:], line[3] == '-', true
	}
	return 0, "", false, false
}

// clean makes text fit for logs and reports.
func clean(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(text, "?"))
}

// takeEnhanced takes the enhanced code (RFC 2034 §4) out of the lines.
func takeEnhanced(reply *smtpwire.Reply) {
	code, text, ok := cutEnhanced(reply.Lines[0])
	if !ok || int(code[0]) != reply.Class() {
		return
	}
	reply.Enhanced = code
	reply.Lines[0] = text
	for i, line := range reply.Lines[1:] {
		if again, text, ok := cutEnhanced(line); ok && again == code {
			reply.Lines[i+1] = text
		}
	}
}

// cutEnhanced reads `5.1.1 text`.
func cutEnhanced(line string) (code smtpwire.EnhancedCode, text string, ok bool) {
	word, text, _ := strings.Cut(line, " ")
	parts := strings.Split(word, ".")
	if len(parts) != len(code) {
		return code, line, false
	}
	for i, part := range parts {
		if part == "" || len(part) > 3 || len(part) > 1 && part[0] == '0' {
			return code, line, false
		}
		for j := range len(part) {
			if part[j] < '0' || part[j] > '9' {
				return code, line, false
			}
			code[i] = code[i]*10 + uint16(part[j]-'0')
		}
	}
	return code, text, true
}
