package imapd

import (
	"strconv"
	"strings"

	"posthorn/internal/store"
)

// appendEmailID appends a message's EMAILID (RFC 8474 §5.1): the same for all copies
// in an account.
func appendEmailID(dst []byte, id store.EmailID) []byte {
	return strconv.AppendUint(append(dst, 'M'), uint64(id), 10)
}

// emailTest compares an EMAILID; one that was never given out matches nothing. Entries
// of old messages do not have theirs, but their records do.
func emailTest(text string) test {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "M"), 10, 64)
	id := store.EmailID(n)
	if err != nil || string(appendEmailID(nil, id)) != text {
		return func(*candidate) verdict { return nay }
	}
	return func(m *candidate) verdict {
		switch {
		case m.Content != 0:
			return verdictOf(store.EmailID(m.Content) == id)
		case m.level < fromRecord:
			return unknown
		}
		return verdictOf(m.record.EmailID == id)
	}
}
