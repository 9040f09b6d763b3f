package inbound

import (
	"crypto/tls"
	"net/netip"
	"strconv"
	"time"

	"posthorn/internal/addr"
)

// trace is what the lines in front of a message say about how it came.
type trace struct {
	from     addr.Address // the reverse-path
	hello    string       // what the client called itself; may be anything
	remote   netip.Addr   // invalid if the transport has no addresses
	hostname string       // ours
	protocol string       // of RFC 3848
	id       string
	rcpt     addr.Address // the only recipient; zero if there are several
	tls      *tls.ConnectionState
	priority string // of MT-PRIORITY; "": not given
	at       time.Time
	results  []byte // the field that says what was found of the sender; may be empty
}

// trace gathers what the trace lines of a message say.
func (t *Transaction) trace(at time.Time) *trace {
	s := t.session
	tr := &trace{
		from: t.from, hello: s.hello, remote: s.peer.Remote, hostname: t.o.Hostname,
		protocol: protocol(s, t.params.UTF8),
		id:       t.ID(), tls: s.tls, at: at,
	}
	if len(t.recipients) == 1 {
		tr.rcpt = t.recipients[0].address
	}
	if t.params.Prioritized {
		tr.priority = strconv.Itoa(t.params.Priority)
	}
	return tr
}

// append writes the Return-Path and Received lines (RFC 5321 §4.4), and between them
// the results: RFC 8601 §2.1 has these in the trace, where it can be seen by what is
// below them that they are no older than our Received.
func (t *trace) append(dst []byte) []byte {
	dst = appendReturnPath(dst, t.from)
	dst = append(dst, t.results...)
	dst = append(dst, "Received: from "...)
	dst = t.appendFrom(dst)
	dst = append(dst, "\r\n\tby "...)
	dst = append(dst, t.hostname...)
	dst = append(dst, " with "...)
	dst = append(dst, t.protocol...)
	dst = append(dst, " id "...)
	dst = append(dst, t.id...)
	if !t.rcpt.IsZero() {
		// RFC 5321 §7.2: naming several would tell each of them about blind copies.
		dst = append(dst, "\r\n\tfor <"...)
		dst = append(dst, t.rcpt.String()...)
		dst = append(dst, '>')
	}
	if t.tls != nil {
		// RFC 8314 §4.3: the clause that records the cipher suite.
		dst = append(dst, "\r\n\ttls "...)
		dst = append(dst, tls.CipherSuiteName(t.tls.CipherSuite)...)
	}
	if t.priority != "" { // RFC 6710 §4.1
		dst = append(dst, "\r\n\tpriority "...)
		dst = append(dst, t.priority...)
	}
	dst = append(dst, ";\r\n\t"...)
	dst = t.at.AppendFormat(dst, time.RFC1123Z)
	return append(dst, "\r\n"...)
}

// appendReturnPath writes the line that only mailboxes get.
func appendReturnPath(dst []byte, from addr.Address) []byte {
	dst = append(dst, "Return-Path: <"...)
	dst = append(dst, from.String()...)
	return append(dst, ">\r\n"...)
}

// appendFrom writes the Extended-Domain: the name the client gave, and the address
// it came from.
func (t *trace) appendFrom(dst []byte) []byte {
	if t.hello == "" {
		dst = append(dst, "unknown"...)
	}
	for i := range len(t.hello) {
		dst = append(dst, nameByte(t.hello[i]))
	}
	if !t.remote.IsValid() {
		return dst
	}
	dst = append(dst, " (["...)
	if t.remote.Is6() {
		dst = append(dst, "IPv6:"...)
	}
	dst = t.remote.WithZone("").AppendTo(dst)
	return append(dst, "])"...)
}

// nameByte lets through what domains and address literals consist of, so that a
// client's name cannot pass itself off as anything else in the header.
func nameByte(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return c
	case c == '.', c == '-', c == '_', c == ':', c == '[', c == ']':
		return c
	}
	return '?'
}

// protocol is the name of RFC 3848, and of RFC 6531 §4.3 with SMTPUTF8, for how a
// message came.
func protocol(s *Session, utf8 bool) string {
	name := "SMTP"
	switch {
	case s.peer.Role == LMTP:
		name = "LMTP"
	case !s.extended:
		return name // HELO knows neither STARTTLS nor AUTH
	case !utf8:
		name = "ESMTP"
	}
	if utf8 {
		name = "UTF8" + name
	}
	if s.tls != nil {
		name += "S"
	}
	if s.user != "" {
		name += "A"
	}
	return name
}

// tlsVersion names the version of TLS; "": none.
func tlsVersion(state *tls.ConnectionState) string {
	if state == nil {
		return ""
	}
	return tls.VersionName(state.Version)
}
