package torture

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// token names a message for good: it is in its header.
type token string

// message is a message with its token and the sum of its body in the header.
func message(tok token, size int) string {
	noise := make([]byte, size*3/4)
	rand.NewChaCha8(sha256.Sum256([]byte(tok))).Read(noise)
	var body strings.Builder
	for text := base64.StdEncoding.EncodeToString(noise); text != ""; {
		n := min(76, len(text))
		body.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	return fmt.Sprintf("From: torture@%s\r\nTo: somebody@%s\r\nSubject: =?UTF-8?B?5ouF5L+d?= %s\r\n"+
		"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <%s@%s>\r\n%s%s\r\n%s%x\r\n\r\n%s",
		domain, domain, tok, tok, domain, tokenField, tok, sumField, sha256.Sum256([]byte(body.String())), body.String())
}

const (
	tokenField = "X-Torture: "
	sumField   = "X-Torture-Sum: "
)

// intact reports whether a message that was read back is whole.
func intact(text string) bool {
	_, sum, _ := strings.Cut(text, sumField)
	header, body, ok := strings.Cut(sum, "\r\n\r\n")
	return ok && strings.TrimSpace(header) == fmt.Sprintf("%x", sha256.Sum256([]byte(body)))
}

// tokenIn finds the token in a message or in a part of its header.
func tokenIn(text string) token {
	_, rest, _ := strings.Cut(text, tokenField)
	tok, _, _ := strings.Cut(rest, "\r\n")
	return token(strings.TrimSpace(tok))
}

// place is where a UID means something.
type place struct {
	user, mailbox string
	validity      uint32
}

// ledger is what the server has said, over all rounds. Everything in it binds the
// server for good.
type ledger struct {
	mu       sync.Mutex
	tokens   int
	sent     map[token]*delivery
	uids     map[place]map[uint32]token
	validity map[string]uint32           // of user/mailbox
	uidls    map[string]map[string]token // by user
	seen     map[string]map[token]bool   // in INBOX, by user: by whomever, at whatever time
	problems []string
}

// delivery is a message for some users, from DATA on.
type delivery struct {
	to    []string
	acked map[string]bool // by recipient; LMTP answers for each, SMTP for all
	doubt bool            // the connection broke before the answer
	whole bool            // what is in doubt is so for all recipients together
}

func newLedger() *ledger {
	return &ledger{
		sent: map[token]*delivery{}, uids: map[place]map[uint32]token{}, validity: map[string]uint32{},
		uidls: map[string]map[string]token{}, seen: map[string]map[token]bool{},
	}
}

// problem notes what is wrong.
func (l *ledger) problem(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(format, args...)
}

// note is problem with mu held.
func (l *ledger) note(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// newToken names a new message.
func (l *ledger) newToken(kind string) token {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens++
	return token(fmt.Sprintf("%s-%d", kind, l.tokens))
}

// begin notes that a message is about to be sent.
func (l *ledger) begin(tok token, to []string, whole bool) *delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := &delivery{to: to, acked: map[string]bool{}, doubt: true, whole: whole}
	l.sent[tok] = d
	return d
}

// end notes how it went: who has it for certain.
func (l *ledger) end(d *delivery, acked []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d.doubt = false
	for _, user := range acked {
		d.acked[user] = true
	}
}

// uid notes that the server has given this UID to that message.
func (l *ledger) uid(p place, uid uint32, tok token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := p.user + "/" + p.mailbox
	if old := l.validity[name]; old != 0 && old != p.validity {
		l.note("%s: UIDVALIDITY was %d, is %d", name, old, p.validity)
	}
	l.validity[name] = p.validity
	if l.uids[p] == nil {
		l.uids[p] = map[uint32]token{}
	}
	if old, ok := l.uids[p][uid]; ok && old != tok {
		l.note("%s: UID %d was that of %s, and is that of %s", name, uid, old, tok)
	}
	l.uids[p][uid] = tok
}

// highest is the highest UID that was ever given out in a place.
func (l *ledger) highest(p place) (highest uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for uid := range l.uids[p] {
		highest = max(highest, uid)
	}
	return highest
}

// uidl notes that POP3 has given this name to that message.
func (l *ledger) uidl(user, name string, tok token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.uidls[user] == nil {
		l.uidls[user] = map[string]token{}
	}
	if old, ok := l.uidls[user][name]; ok && old != tok {
		l.note("%s: UIDL %s was that of %s, and is that of %s", user, name, old, tok)
	}
	l.uidls[user][name] = tok
}

// saw notes that a client was shown a message in an INBOX.
func (l *ledger) saw(user string, tok token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[user] == nil {
		l.seen[user] = map[token]bool{}
	}
	l.seen[user][tok] = true
}
