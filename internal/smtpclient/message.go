package smtpclient

import (
	"strconv"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/smtpwire"
)

// Message is what to send: the envelope, and what the content needs to pass
// unharmed. Parameters are those of RFC 3461 as they stand in the commands, in xtext.
type Message struct {
	From addr.Address // zero: the null reverse-path
	To   []Recipient

	Size int64 // roughly; 0 if it is not known
	Body BodyType
	UTF8 bool // headers in UTF-8 (RFC 6531); addresses are seen without being told

	Ret   string // "FULL" or "HDRS"
	EnvID string

	RequireTLS bool   // RFC 8689
	Priority   int    // MT-PRIORITY, -9 to 9 (RFC 6710)
	By         string // "120;R": seconds that are left, and what then (RFC 2852)
}

// Recipient is one recipient.
type Recipient struct {
	To     addr.Address
	Notify string // "NEVER", or any of "SUCCESS,FAILURE,DELAY"
	ORcpt  string // "rfc822;alice@example.test"
}

// BodyType is what bytes the message has.
type BodyType uint8

const (
	Body7Bit   BodyType = iota
	Body8Bit            // RFC 6152
	BodyBinary          // RFC 3030: sent as it is, lone CR and LF included
)

// Outcome is what became of a message for one recipient.
type Outcome struct {
	// Err is nil if the server has taken the message over. Otherwise it is an *Error.
	Err error
	// Reply is what the server said last that concerned this recipient.
	Reply smtpwire.Reply
	// Notifies says that the server has taken over the duty to tell the sender, too
	// (RFC 3461 §5.2.1).
	Notifies bool
}

// check finds out why the message cannot be sent to this server at all.
func (c *Client) check(m *Message) *Error {
	size, limit := m.Size, c.MaxSize()
	switch {
	case !c.o.LMTP && strings.Contains(m.By, ";R") && !c.Supports("DELIVERBY"): // RFC 2852 §4
		return lacks(AtMail, smtpwire.EnhancedCode{5, 4, 7}, "the message is to come back if it is not delivered in time, which the server does not promise (DELIVERBY)")
	case m.RequireTLS && c.conn.tls == nil: // RFC 8689 §4.2.1
		return lacks(AtMail, smtpwire.EnhancedCode{5, 7, 10}, "the message asks for TLS on all its way, and the server does not offer it")
	case m.RequireTLS && !c.Supports("REQUIRETLS"):
		return lacks(AtMail, smtpwire.EnhancedCode{5, 7, 30}, "the message asks for TLS on all its way, which the server does not promise (REQUIRETLS)")
	case (m.UTF8 || !isASCII(m.From)) && !c.Supports("SMTPUTF8"): // RFC 6531 §3.2
		return lacks(AtMail, smtpwire.EnhancedCode{5, 6, 7}, "the message has addresses or headers in UTF-8, which the server does not take (SMTPUTF8)")
	case m.Body == Body8Bit && !c.Supports("8BITMIME"): // RFC 6152 §3
		return lacks(AtMail, smtpwire.EnhancedCode{5, 6, 3}, "the message has 8-bit text, which the server does not take (8BITMIME)")
	case m.Body == BodyBinary && !(c.Supports("BINARYMIME") && c.Supports("CHUNKING")): // RFC 3030 §3
		return lacks(AtMail, smtpwire.EnhancedCode{5, 6, 1}, "the message is binary, which the server does not take (BINARYMIME)")
	case limit > 0 && size > limit: // RFC 1870 §6.1
		return newError(AtMail, fault.TooLarge, "the message has %d bytes, and the server takes at most %d", size, limit)
	}
	return nil
}

// mailCommand is MAIL with all parameters that the server knows of.
func (c *Client) mailCommand(m *Message) string {
	line := "MAIL FROM:<" + path(m.From) + ">"
	if c.Supports("SIZE") && m.Size > 0 {
		line += " SIZE=" + strconv.FormatInt(m.Size, 10)
	}
	switch {
	case m.Body == BodyBinary:
		line += " BODY=BINARYMIME"
	case m.Body == Body8Bit:
		line += " BODY=8BITMIME"
	}
	if c.Supports("SMTPUTF8") && m.needsUTF8() {
		line += " SMTPUTF8"
	}
	if c.Supports("DSN") {
		line += param("RET", m.Ret) + param("ENVID", m.EnvID)
	}
	if m.RequireTLS {
		line += " REQUIRETLS"
	}
	if c.Supports("MT-PRIORITY") && m.Priority != 0 {
		line += param("MT-PRIORITY", strconv.Itoa(m.Priority))
	}
	if c.Supports("DELIVERBY") {
		line += param("BY", m.By)
	}
	return line
}

func (c *Client) rcptCommand(r *Recipient) string {
	line := "RCPT TO:<" + path(r.To) + ">"
	if c.Supports("DSN") {
		line += param("NOTIFY", r.Notify) + param("ORCPT", r.ORcpt)
	}
	return line
}

func param(keyword, value string) string {
	if value == "" {
		return ""
	}
	return " " + keyword + "=" + value
}

// needsUTF8 says that the message is one for SMTPUTF8.
func (m *Message) needsUTF8() bool {
	if m.UTF8 || !isASCII(m.From) {
		return true
	}
	for i := range m.To {
		if !isASCII(m.To[i].To) {
			return true
		}
	}
	return false
}

// isASCII says that an address can be spelled in ASCII: a domain always can.
func isASCII(a addr.Address) bool { return addr.Address{Local: a.Local}.IsASCII() }

// path spells an address, its domain in ASCII if possible: every server
// understands that, and RFC 6531 §3.7.1 allows it.
func path(a addr.Address) string {
	if canonical, err := a.Canonical(); err == nil {
		a.Domain = canonical.Domain
	}
	return a.String()
}
