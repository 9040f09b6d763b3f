package inbound

import (
	"bytes"
	"slices"
	"strconv"

	"posthorn/internal/message"
)

// wishes are what a sender has asked of those who relay a message in its header,
// where MAIL did not say it.
type wishes struct {
	tlsOptional bool
	priority    int
}

// wishes reads the header. What MAIL has said wins.
func (t *Transaction) wishes(header []byte) wishes {
	w := wishes{priority: t.params.Priority}
	for f := range message.Fields(header) {
		switch {
		case len(f.Name) == len("TLS-Required") && bytes.EqualFold(f.Name, []byte("TLS-Required")):
			// RFC 8689 §4.1
			w.tlsOptional = !t.params.RequireTLS && bytes.EqualFold(bytes.TrimSpace(f.Value), []byte("No"))
		case len(f.Name) == len("MT-Priority") && bytes.EqualFold(f.Name, []byte("MT-Priority")):
			// RFC 6758 §3: priorities beyond servers that do not know them. RFC 6710 §4.1: only
			// from those whom we know.
			n, err := strconv.Atoi(string(bytes.TrimSpace(f.Value)))
			if err == nil && n >= -9 && n <= 9 && t.session.user != "" && !t.params.Prioritized {
				w.priority = n
			}
		}
	}
	return w
}

// needsUTF8 says whether a message that is sent without its first bytes needs SMTPUTF8
// to travel (RFC 6531 §3.6): its header has more than ASCII, or that of a message in
// it, or what one of its parts says of itself.
func needsUTF8(m *message.Message, skip int) bool {
	return m.Has8Bit && (has8Bit(m.Root.Header[min(skip, len(m.Root.Header)):]) || has8BitPart(m.Root.Parts))
}

func has8BitPart(parts []*message.Part) bool {
	return slices.ContainsFunc(parts, func(p *message.Part) bool {
		return has8Bit(p.Header) || has8Bit(p.Description) || has8Bit(p.Filename()) || has8BitPart(p.Parts)
	})
}

func has8Bit[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return true
		}
	}
	return false
}
