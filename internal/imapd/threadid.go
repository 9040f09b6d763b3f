package imapd

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"

	"posthorn/internal/message"
	"posthorn/internal/store"
)

// appendThreadID appends a message's THREADID (RFC 8474 §5.2). It is made of the message
// that the thread began with, as the message itself says: the first of its References,
// else what it is In-Reply-To, else its own Message-ID. Since nothing else goes into it, it
// costs nothing until somebody asks, is the same for all copies and in all mailboxes of an
// account, whatever comes before or after, and never changes. A program that tells only
// the letter before in its replies starts a thread anew with the second of them. The
// subject says nothing: mail programs write "Re:" in many languages.
//
// What a record keeps of an enormous header decides, for that stays as it is.
func appendThreadID(dst []byte, account store.AccountID, r *store.Record) []byte {
	var l letters
	root := l.threadRoot(r.Headers)
	if root == nil { // by itself
		return append(appendObjectID(append(dst, 'T'), account, uint64(r.EmailID)), 'm')
	}
	dst = append(appendAccount(append(dst, 'T'), account), '-')
	sum := sha256.Sum256(root)
	return hex.AppendEncode(dst, sum[:threadIDBytes])
}

// threadIDBytes of a hash tell any two threads of an account apart.
const threadIDBytes = 10

// threadRoot is the Message-ID that a thread began with; nil if the header has none. It is
// valid until the next call.
func (l *letters) threadRoot(header []byte) []byte {
	var references, inReplyTo, own []byte
	for f := range message.Fields(header) {
		switch {
		case references == nil && equalFold(f.Name, "references"):
			references = f.Value
		case inReplyTo == nil && equalFold(f.Name, "in-reply-to"):
			inReplyTo = f.Value
		case own == nil && equalFold(f.Name, "message-id"):
			own = f.Value
		}
	}
	for _, value := range [][]byte{references, inReplyTo, own} {
		var root []byte
		l.eachName(value, func(id []byte) bool {
			root = id
			return false
		})
		if root != nil {
			return root
		}
	}
	return nil
}

// threadTest compares a THREADID; one of another account matches nothing.
func threadTest(account store.AccountID, text string) test {
	prefix := append(appendAccount([]byte{'T'}, account), '-')
	if !bytes.HasPrefix([]byte(text), prefix) {
		return never
	}
	return func(m *candidate) verdict {
		if m.level < fromRecord {
			return unknown
		}
		var room [64]byte
		return verdictOf(string(appendThreadID(room[:0], account, m.record)) == text)
	}
}
