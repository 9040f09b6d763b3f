package imapd

import (
	"bytes"
	"hash/maphash"

	"posthorn/internal/casemap"
	"posthorn/internal/message"
)

// letter is what matters of a message for threads. Message-IDs and subjects are hashes
// that nobody can foresee: of equal ones no others are made.
type letter struct {
	date    int64  // when it was sent, in Unix seconds
	id      uint64 // its Message-ID; 0: none that is valid
	subject uint64 // its base subject; 0: empty
	reply   bool   // or forward, by its subject
	refs    int    // where its references begin in letters.refs
	refsEnd int
}

// letters is the messages of a THREAD, in the order of the mailbox.
type letters struct {
	all     []letter
	refs    []uint64
	seed    maphash.Seed
	scratch []byte
	fold    func(dst, text []byte) []byte // of subjects
}

func newLetters(n int, by casemap.Collation) *letters {
	return &letters{all: make([]letter, n), seed: maphash.MakeSeed(), fold: by.Append}
}

// maxRefs is how many references of a message count, the last ones. Mail programs cut
// the list, too (RFC 5256 §3 allows for that).
const maxRefs = 200

// read takes from a header what matters.
func (l *letters) read(i int, header []byte) {
	m := &l.all[i]
	*m = letter{date: m.date, refs: len(l.refs), refsEnd: len(l.refs)}
	var inReplyTo []byte
	for f := range message.Fields(header) {
		switch {
		case equalFold(f.Name, "date"):
			if sent, err := message.ParseDate(string(f.Value)); err == nil {
				m.date = sent.Unix()
			}
		case equalFold(f.Name, "subject"):
			base, reply := message.BaseSubject(string(f.Value))
			m.reply = reply
			l.scratch = l.fold(l.scratch[:0], []byte(base))
			m.subject = l.hash(l.scratch)
		case equalFold(f.Name, "message-id") && m.id == 0:
			m.id = l.firstID(f.Value)
		case equalFold(f.Name, "references") && m.refsEnd == m.refs:
			l.eachID(f.Value, func(id uint64) bool {
				l.refs = append(l.refs, id)
				return true
			})
			m.refsEnd = len(l.refs)
			if n := m.refsEnd - m.refs; n > maxRefs {
				m.refsEnd = m.refs + copy(l.refs[m.refs:], l.refs[m.refsEnd-maxRefs:])
				l.refs = l.refs[:m.refsEnd]
			}
		case equalFold(f.Name, "in-reply-to") && inReplyTo == nil:
			inReplyTo = f.Value
		}
	}
	if m.refsEnd == m.refs {
		if id := l.firstID(inReplyTo); id != 0 {
			l.refs = append(l.refs, id)
			m.refsEnd++
		}
	}
}

// hash is 0 for what is empty only.
func (l *letters) hash(b []byte) uint64 {
	if len(b) == 0 {
		return 0
	}
	return maphash.Bytes(l.seed, b) | 1
}

func (l *letters) firstID(value []byte) (first uint64) {
	l.eachID(value, func(id uint64) bool {
		first = id
		return false
	})
	return first
}

func (l *letters) eachID(value []byte, fn func(uint64) bool) {
	l.eachName(value, func(id []byte) bool { return fn(l.hash(id)) })
}

// eachName calls fn with the valid Message-IDs in a field, until it returns false. Quotes
// and blanks in them make no difference (RFC 5256 §3).
func (l *letters) eachName(value []byte, fn func(id []byte) bool) {
	for {
		_, rest, ok := bytes.Cut(value, []byte{'<'})
		if !ok {
			return
		}
		value = l.cutID(rest)
		if at := bytes.LastIndexByte(l.scratch, '@'); at > 0 && at < len(l.scratch)-1 && !fn(l.scratch) {
			return
		}
	}
}

// cutID reads an ID up to its ">" to scratch, which is empty if it is none.
func (l *letters) cutID(s []byte) (rest []byte) {
	l.scratch = l.scratch[:0]
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\' && i+1 < len(s):
			i++
			l.scratch = append(l.scratch, s[i])
		case !quoted && c == '>':
			return s[i+1:]
		case !quoted && c == '<': // that was none, but here one begins
			l.scratch = l.scratch[:0]
			return s[i:]
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		default:
			l.scratch = append(l.scratch, c)
		}
	}
	l.scratch = l.scratch[:0]
	return nil
}
