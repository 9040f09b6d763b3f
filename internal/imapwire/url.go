package imapwire

import (
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// URL names a message, or a part of one (RFC 5092).
type URL struct {
	User, Host  string // of an absolute one: Host is not empty
	Mailbox     string // UTF-8; empty: the one that is selected
	UIDValidity uint32 // 0: not given
	UID         uint32
	Section     Section
	Partial     *Partial // of the section; a Count of 0 means up to its end

	// Of one that gives others access (RFC 4467): until when, to whom, and the proof.
	Expire    time.Time // zero: for ever
	Access    string    // in lower case up to "+": anonymous, authuser, user+NAME, submit+NAME; empty: nobody
	Mechanism string    // in upper case; empty: not proved yet
	Token     string    // hexadecimal
	Rump      string    // the URL up to Access, which the token proves
}

// ParseURL reads the URL of a message, absolute or relative to the server.
func ParseURL(s string) (*URL, bool) {
	u := &URL{}
	rest, ok := u.access(s)
	if !ok {
		return nil, false
	}
	if server, found := cutFoldPrefix(rest, "imap://"); found {
		user, path, _ := strings.Cut(server, "/")
		if rest, ok = path, u.server(user); !ok {
			return nil, false
		}
	}
	if !u.path(strings.TrimPrefix(rest, "/")) {
		return nil, false
	}
	return u, true
}

// access reads what stands behind the last ";URLAUTH=", and gives what is before it.
func (u *URL) access(s string) (rest string, ok bool) {
	rest, access, found := cutLastFold(s, ";URLAUTH=")
	if !found {
		return s, true
	}
	access, proof, proved := strings.Cut(access, ":")
	u.Rump = s[:len(rest)+len(";URLAUTH=")+len(access)]
	kind, name, named := strings.Cut(access, "+")
	u.Access = strings.ToLower(kind)
	switch u.Access {
	case "anonymous", "authuser":
		ok = !named
	case "user", "submit":
		name, err := url.PathUnescape(name)
		u.Access += "+" + name
		ok = err == nil && name != ""
	}
	if proved {
		u.Mechanism, u.Token, proved = strings.Cut(proof, ":")
		u.Mechanism = strings.ToUpper(u.Mechanism)
		ok = ok && proved && u.Mechanism != "" && u.Token != ""
	}
	if before, expire, found := cutLastFold(rest, ";EXPIRE="); found && ok {
		var err error
		u.Expire, err = time.Parse(time.RFC3339, strings.ToUpper(expire))
		rest, ok = before, err == nil
	}
	return rest, ok
}

// server reads [user[;AUTH=mechanism]@]host[:port].
func (u *URL) server(s string) bool {
	user, host, found := cutLast(s, "@")
	if !found {
		user, host = "", s
	}
	if before, _, found := cutLastFold(user, ";AUTH="); found {
		user = before
	}
	name, err := url.PathUnescape(user)
	u.User, u.Host = name, strings.ToLower(host)
	return err == nil && host != ""
}

// path reads mailbox[;UIDVALIDITY=n]/;UID=n[/;SECTION=section][/;PARTIAL=range].
func (u *URL) path(s string) bool {
	mailbox, message, found := cutFold(s, "/;UID=")
	if !found { // without a mailbox
		if message, found = cutFoldPrefix(s, ";UID="); !found {
			return false
		}
		mailbox = ""
	}
	if before, n, found := cutLastFold(mailbox, ";UIDVALIDITY="); found {
		mailbox = before
		if u.UIDValidity = nzNumber(n); u.UIDValidity == 0 {
			return false
		}
	}
	name, err := url.PathUnescape(mailbox)
	if u.Mailbox = name; err != nil {
		return false
	}
	if strings.EqualFold(name, Inbox) {
		u.Mailbox = Inbox
	}
	message, partial, isPartial := cutLastFold(message, "/;PARTIAL=")
	uid, section, isPart := cutFold(message, "/;SECTION=")
	u.UID = nzNumber(strings.TrimSuffix(uid, "/"))
	return u.UID != 0 && (!isPartial || u.partial(partial)) && (!isPart || u.section(section))
}

func (u *URL) section(s string) bool {
	text, err := url.PathUnescape(s)
	if err != nil {
		return false
	}
	line := []byte("[" + text + "]")
	d := Decoder{src: noSource{}, line: line, full: line}
	return d.section(&u.Section, false) && d.End()
}

// partial reads offset[.count].
func (u *URL) partial(s string) bool {
	offset, count, counted := strings.Cut(s, ".")
	p := &Partial{}
	var err error
	if p.Offset, err = strconv.ParseInt(offset, 10, 64); err != nil || p.Offset < 0 {
		return false
	}
	if counted {
		if p.Count, err = strconv.ParseInt(count, 10, 64); err != nil || p.Count <= 0 {
			return false
		}
	}
	u.Partial = p
	return true
}

// nzNumber is 0 for what is no nz-number.
func nzNumber(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || s[0] == '0' || s[0] == '+' {
		return 0
	}
	return uint32(n)
}

// noSource has nothing beyond the line.
type noSource struct{}

func (noSource) Line() ([]byte, error) { return nil, errNoSource }

func (noSource) Literal(int64, bool) (io.Reader, error) { return nil, errNoSource }

var errNoSource = errors.New("imapwire: a literal in a URL")

// cutFold is strings.Cut with a separator in ASCII, in any case.
func cutFold(s, sep string) (before, after string, found bool) {
	for i := 0; i+len(sep) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sep)], sep) {
			return s[:i], s[i+len(sep):], true
		}
	}
	return s, "", false
}

// cutLastFold is cutFold at the last separator.
func cutLastFold(s, sep string) (before, after string, found bool) {
	for i := len(s) - len(sep); i >= 0; i-- {
		if strings.EqualFold(s[i:i+len(sep)], sep) {
			return s[:i], s[i+len(sep):], true
		}
	}
	return s, "", false
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func cutFoldPrefix(s, prefix string) (after string, found bool) {
	if !hasFoldPrefix([]byte(s), prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
