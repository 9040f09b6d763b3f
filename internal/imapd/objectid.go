package imapd

import (
	"strconv"
	"strings"

	"posthorn/internal/store"
)

// The identifiers of RFC 8474 §7 are "M" or "F", the account's number and the number of
// what is named, for a client may see mailboxes of several accounts. They are never
// given to anything else. Those of threads are in threadid.go.

// appendEmailID appends a message's EMAILID (RFC 8474 §5.1): the same for all copies
// in an account.
func appendEmailID(dst []byte, account store.AccountID, id store.EmailID) []byte {
	return appendObjectID(append(dst, 'M'), account, uint64(id))
}

// appendMailboxID appends a mailbox's MAILBOXID (RFC 8474 §4): it keeps it when it is
// renamed.
func appendMailboxID(dst []byte, account store.AccountID, id store.MailboxID) []byte {
	return appendObjectID(append(dst, 'F'), account, uint64(id))
}

func appendObjectID(dst []byte, account store.AccountID, n uint64) []byte {
	return strconv.AppendUint(append(appendAccount(dst, account), '-'), n, 36)
}

func appendAccount(dst []byte, account store.AccountID) []byte {
	return strconv.AppendUint(dst, uint64(account), 36)
}

// mailboxIDCode is the response code MAILBOXID, without brackets.
func mailboxIDCode(account store.AccountID, id store.MailboxID) string {
	return string(append(appendMailboxID([]byte("MAILBOXID ("), account, id), ')'))
}

// emailTest compares an EMAILID; one that was never given out matches nothing. Entries
// of old messages do not have theirs, but their records do.
func emailTest(account store.AccountID, text string) test {
	_, number, _ := strings.Cut(text, "-")
	n, err := strconv.ParseUint(number, 36, 64)
	id := store.EmailID(n)
	if err != nil || string(appendEmailID(nil, account, id)) != text {
		return never
	}
	return func(m *candidate) verdict {
		switch {
		case m.Content != 0:
			return verdictOf(m.Content == id)
		case m.level < fromRecord:
			return unknown
		}
		return verdictOf(m.record.EmailID == id)
	}
}

// never matches no message.
func never(*candidate) verdict { return nay }
