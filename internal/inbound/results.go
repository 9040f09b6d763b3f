package inbound

import (
	"bytes"
	"net/netip"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/dkim"
	"posthorn/internal/dmarc"
	"posthorn/internal/message"
	"posthorn/internal/spf"
)

// resultsField is the field in which the checks say what they found (RFC 8601).
const resultsField = "Authentication-Results"

// appendResults writes the field.
func appendResults(dst []byte, hostname string, from addr.Address, remote netip.Addr, a *Authentication) []byte {
	w := resultsWriter{b: append(append(dst, resultsField+": "...), hostname...)}
	w.result("iprev", string(a.Reverse.Result), "")
	w.property("policy.iprev", remote.WithZone("").String())
	if !from.IsZero() {
		w.spf(&a.SPF)
		w.property("smtp.mailfrom", mailFrom(from, a.SPF.Domain))
	}
	w.spf(&a.HELO)
	w.property("smtp.helo", a.HELO.Domain)
	if len(a.DKIM) == 0 {
		w.result("dkim", string(dkim.None), "")
	}
	for i := range a.DKIM {
		w.dkim(&a.DKIM[i])
	}
	d := &a.DMARC
	w.result("dmarc", string(d.Result), d.Reason)
	w.property("header.from", d.Domain)
	if d.Result == dmarc.Fail {
		w.property("policy.dmarc", d.Disposition.String())
	}
	return append(w.b, "\r\n"...)
}

// mailFrom is the reverse-path as far as it can be shown to everybody's software.
func mailFrom(from addr.Address, domain string) string {
	if from.IsASCII() {
		return from.String()
	}
	return domain
}

// resultsWriter writes results, each beginning on a line of its own.
type resultsWriter struct {
	b    []byte
	line int // where the line under way begins
}

func (w *resultsWriter) result(method, result, reason string) {
	w.b = append(w.b, ";\r\n\t"...)
	w.line = len(w.b)
	w.b = append(w.b, method...)
	w.b = append(w.b, '=')
	w.b = append(w.b, result...)
	if reason != "" {
		w.b = appendQuoted(append(w.b, " reason="...), reason)
	}
}

func (w *resultsWriter) spf(f *spf.Finding) {
	reason := ""
	if f.Result == spf.PermError || f.Result == spf.TempError {
		reason = f.Reason
	}
	w.result("spf", string(f.Result), reason)
}

func (w *resultsWriter) dkim(f *dkim.Finding) {
	w.result("dkim", string(f.Result), f.Reason)
	w.property("header.d", f.Domain)
	w.property("header.i", f.Identity)
	w.property("header.s", f.Selector)
	w.property("header.a", f.Algorithm)
	w.property("header.b", f.Signature) // RFC 6008
}

// longestValue keeps what peers make up within a line.
const longestValue = 255

// resultsWidth is where a line is folded.
const resultsWidth = 70

// property writes what a result is about, if it can be said.
func (w *resultsWriter) property(name, value string) {
	if value == "" || len(value) > longestValue {
		return
	}
	if len(w.b)-w.line+1+len(name)+1+len(value) > resultsWidth {
		w.b = append(w.b, "\r\n\t\t"...)
		w.line = len(w.b)
	} else {
		w.b = append(w.b, ' ')
	}
	w.b = append(w.b, name...)
	w.b = append(w.b, '=')
	plain := true
	for i := range len(value) {
		plain = plain && isPlain(value[i])
	}
	if plain {
		w.b = append(w.b, value...)
	} else {
		w.b = appendQuoted(w.b, value)
	}
}

// isPlain says whether a byte needs no quotes in tokens, domains and addresses.
func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '.' || c == '-' || c == '_' || c == '+' || c == '@'
}

// appendQuoted writes a quoted string (RFC 5322 §3.2.4). Nothing that peers say can
// end it.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c > '~':
			dst = append(dst, '?')
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// withoutResults is a header block without the results that say they are ours: those
// who read results believe ours. RFC 8601 §5: such a field that does not come from a
// server of ours is removed. The block itself is not changed.
func withoutResults(header []byte, hostname string) []byte {
	var kept []byte
	from, at := 0, 0
	for f := range message.Fields(header) {
		end := at + len(f.Raw)
		if bytes.EqualFold(f.Name, []byte(resultsField)) && claims(f.Value, hostname) {
			kept = append(kept, header[from:at]...)
			from = end
		}
		at = end
	}
	if from == 0 {
		return header
	}
	return append(kept, header[from:]...)
}

// claims says whether results are said to be by a server. Those of which it cannot
// be told are, because it cannot be told either what others read in them.
func claims(value []byte, hostname string) bool {
	rest, ok := skipComments(value)
	if !ok || len(rest) == 0 {
		return true
	}
	id, ok := authservID(rest)
	return !ok || strings.EqualFold(strings.TrimRight(id, "."), hostname)
}

// authservID is the name of the server, which is a token or a quoted string (RFC
// 8601 §2.2).
func authservID(b []byte) (id string, ok bool) {
	if b[0] != '"' {
		end := bytes.IndexAny(b, " \t\r\n;(/\"")
		if end < 0 {
			end = len(b)
		}
		return string(b[:end]), end > 0
	}
	var unquoted []byte
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '"':
			return string(bytes.Trim(unquoted, " \t")), true
		case '\\':
			if i++; i < len(b) {
				unquoted = append(unquoted, b[i])
			}
		case '\r', '\n':
		default:
			unquoted = append(unquoted, b[i])
		}
	}
	return "", false
}

// skipComments is what follows blanks, folds and comments; false: a comment does not
// end.
func skipComments(b []byte) (rest []byte, ok bool) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			return b[i:], true
		case c == '\\':
			i++
		}
	}
	return nil, depth == 0
}
