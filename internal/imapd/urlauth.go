package imapd

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// The one mechanism (RFC 4467 §2.2.1) that makes and proves URLs. Its token is this
// version, the number of the account that gives access, and the HMAC-SHA-256 of both and
// of the URL up to there, with the key of the mailbox.
const (
	internalMechanism = "INTERNAL"
	tokenVersion      = 1
	tokenHead         = 1 + 8
)

// maxURLs is how many URLs a command may have.
const maxURLs = 100

// signURL is the token of a URL.
func signURL(account store.AccountID, key []byte, rump string) []byte {
	token := binary.BigEndian.AppendUint64([]byte{tokenVersion}, uint64(account))
	mac := hmac.New(sha256.New, key)
	mac.Write(token)
	mac.Write([]byte(rump))
	return mac.Sum(token)
}

// genURLAuth is GENURLAUTH (RFC 4467 §6).
func (s *session) genURLAuth(ctx context.Context, _ *command) error {
	var rumps []imapwire.URLRump
	if !s.dec.GenURLAuth(&rumps) || !s.dec.End() {
		return s.syntax()
	}
	answer := []byte("* GENURLAUTH")
	for _, r := range rumps {
		u, ok := imapwire.ParseURL(r.URL)
		switch {
		case len(rumps) > maxURLs:
			return no("LIMIT", "Too many URLs for one command")
		case !ok || u.Host == "" || u.Mailbox == "" || u.Access == "" || u.Mechanism != "":
			return bad("A URL must be absolute, name a message, and end in ;URLAUTH= and who may read it")
		case r.Mechanism != internalMechanism:
			return bad("The only mechanism is INTERNAL")
		case !strings.EqualFold(u.User, s.user):
			return badURL(r.URL)
		}
		token, err := s.token(ctx, u)
		if err != nil {
			return err
		}
		answer = imapwire.AppendString(append(answer, ' '), r.URL+":internal:"+hex.EncodeToString(token))
	}
	s.conn.Write(append(answer, "\r\n"...))
	return nil
}

// token signs a URL of a mailbox of the user's own: of others' he cannot give away more
// than he was given.
func (s *session) token(ctx context.Context, u *imapwire.URL) ([]byte, error) {
	p, err := s.place(ctx, u.Mailbox, store.RightRead)
	if err != nil {
		return nil, err
	}
	if p.account.ID() != s.account.ID() {
		return nil, errNoRight
	}
	var key []byte
	err = p.account.Update(ctx, func(tx *store.Tx) error {
		m, err := tx.Mailbox(p.name)
		if err == nil {
			key, err = tx.URLKey(m.ID)
		}
		return err
	})
	return signURL(s.account.ID(), key, u.Rump), err
}

// resetKey is RESETKEY (RFC 4467 §6): it makes URLs worthless that were signed so far.
func (s *session) resetKey(ctx context.Context, c *command) error {
	var name string
	var mechanisms []string
	if !s.dec.ResetKey(&name, &mechanisms, s.mailboxName) || !s.dec.End() {
		return s.syntax()
	}
	if name == "" {
		return s.account.Update(ctx, (*store.Tx).ResetURLKeys)
	}
	p, err := s.place(ctx, name, store.AllRights)
	if err != nil {
		return err
	}
	c.code = "URLMECH " + internalMechanism
	return p.account.Update(ctx, func(tx *store.Tx) error {
		m, err := tx.Mailbox(p.name)
		if err == nil {
			err = tx.ResetURLKey(m.ID)
		}
		return err
	})
}

// urlFetch is URLFETCH (RFC 4467 §6, RFC 5524 §3). What may not be read, and what is not
// there, is NIL alike.
func (s *session) urlFetch(ctx context.Context, _ *command) error {
	var urls []imapwire.URLFetch
	if !s.dec.URLFetch(&urls) || !s.dec.End() {
		return s.syntax()
	}
	if len(urls) > maxURLs {
		return no("LIMIT", "Too many URLs for one command")
	}
	f := &fetcher{session: s, ctx: ctx, output: s.newOutput()}
	f.b = append(f.b, "* URLFETCH"...)
	for i := range urls {
		f.b = imapwire.AppendString(append(f.b, ' '), urls[i].URL)
		f.url(&urls[i])
	}
	f.b = append(f.b, "\r\n"...)
	if s.readErr = s.closeOutput(f.output); s.readErr != nil {
		return s.readErr
	}
	switch {
	case f.damaged:
		return no("CORRUPTION", "Some of these messages are damaged")
	case f.unknownCTE:
		return errUnknownCTE
	}
	return nil
}

// url appends the content of one URL.
func (f *fetcher) url(want *imapwire.URLFetch) {
	u, ok := imapwire.ParseURL(want.URL)
	if !ok {
		f.b = append(f.b, " NIL"...)
		return
	}
	account, err := grantor(f.ctx, f.srv.store, u, reader{user: f.user})
	var t *target
	if err == nil {
		t, err = openURL(f.ctx, account, u.Mailbox, u)
	}
	if err != nil {
		f.conn.Log().Debug("URL refused", "url", short(u.Rump), "error", err)
		f.b = append(f.b, " NIL"...)
		return
	}
	defer t.Close()
	if want.Items == 0 {
		f.b = append(f.b, ' ')
		f.target(t)
		return
	}
	if want.Items&imapwire.URLFetchPartStructure != 0 {
		f.b = append(append(append(f.b, " (BODYPARTSTRUCTURE "...), t.structure(u.Section)...), ')')
	}
	if want.Items&imapwire.URLFetchBody != 0 {
		f.b = append(f.b, " (BODY "...)
		f.target(t)
		f.b = append(f.b, ')')
	}
	if want.Items&imapwire.URLFetchBinary != 0 {
		f.b = append(f.b, " (BINARY "...)
		f.binary(t.binary(u), &t.message)
		f.b = append(f.b, ')')
	}
}

// reader is who wants to read what a URL names.
type reader struct {
	user    string
	submits bool // it is the server that submits mail for the user, not the user's program
}

// errNotGranted says no more: who guesses at URLs learns nothing of what is there.
var errNotGranted = fault.New(fault.Denied, "imapd: the URL gives no access")

// grantor is the account that gives a reader access to what a URL names. Errors: Denied.
func grantor(ctx context.Context, st *store.Store, u *imapwire.URL, by reader) (*store.Account, error) {
	token, err := hex.DecodeString(u.Token)
	if err != nil || u.Mechanism != internalMechanism || len(token) != tokenHead+sha256.Size || u.Host == "" {
		return nil, errNotGranted
	}
	account := store.AccountID(binary.BigEndian.Uint64(token[1:]))
	key, err := st.URLKey(ctx, account, u.Mailbox)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, errNotGranted
	case err != nil:
		return nil, err
	case !hmac.Equal(token, signURL(account, key, u.Rump)):
		return nil, errNotGranted
	case !u.Expire.IsZero() && !time.Now().Before(u.Expire): // RFC 4467 §3
		return nil, errNotGranted
	case !by.mayUse(u.Access):
		return nil, errNotGranted
	}
	return st.Account(account), nil
}

// mayUse says whether access is given to this reader (RFC 4467 §3).
func (r reader) mayUse(access string) bool {
	kind, user, _ := strings.Cut(access, "+")
	switch kind {
	case "anonymous", "authuser":
		return true
	case "user":
		return strings.EqualFold(user, r.user)
	case "submit": // RFC 4468 §3.3: only for the user whose mail it is
		return r.submits && strings.EqualFold(user, r.user)
	}
	return false
}

// target appends what a URL names as a string.
func (f *fetcher) target(t *target) {
	f.b = imapwire.AppendLiteralHeader(f.b, t.size)
	w := &window{output: f.output, left: t.size, stream: true, text: true}
	if err := t.copyTo(w); f.err == nil && w.left > 0 {
		f.unreadable(&t.message, err)
		w.pad()
	}
}

// structure is the BODYSTRUCTURE of a section; NIL for what is no part (RFC 5524 §3).
func (t *target) structure(s imapwire.Section) []byte {
	if s.Specifier == imapwire.Whole {
		if b := imapwire.PartStructure(t.message.record.BodyStructure, s.Part); b != nil {
			return b
		}
	}
	return []byte("NIL")
}

// binary is the item of a FETCH that asks for the same.
func (t *target) binary(u *imapwire.URL) *plannedItem {
	item := &plannedItem{FetchItem: imapwire.FetchItem{Attr: imapwire.FetchBinary, Section: u.Section}}
	if u.Partial != nil {
		item.Partial = &imapwire.Partial{Offset: u.Partial.Offset, Count: u.Partial.Count}
		if item.Partial.Count == 0 {
			item.Partial.Count = math.MaxInt64
		}
	}
	return item
}
