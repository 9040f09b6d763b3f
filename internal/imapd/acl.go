package imapd

import (
	"context"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// aclArguments decodes a mailbox and, where there is one, an identifier, and finds the
// mailbox, on which the user needs the right to administer it (RFC 4314 §4).
func (s *session) aclArguments(ctx context.Context, identifier *string, more func() bool) (place, store.ACL, error) {
	var name string
	if !s.mailboxArgument(&name) || identifier != nil && (!s.dec.SP() || !s.dec.AString(identifier)) || !more() || !s.dec.End() {
		return place{}, nil, s.syntax()
	}
	p, err := s.place(ctx, name, store.RightAdmin)
	if err != nil {
		return p, nil, err
	}
	acl, err := p.account.ACL(ctx, p.name)
	return p, acl, err
}

func nothing() bool { return true }

// getACL is GETACL (RFC 4314 §3.3). The owner, who is not in the list, comes first.
func (s *session) getACL(ctx context.Context, _ *command) error {
	p, acl, err := s.aclArguments(ctx, nil, nothing)
	if err != nil {
		return err
	}
	b := s.appendMailbox([]byte("* ACL "), p.shown)
	b = imapwire.AppendAString(append(b, ' '), p.owner)
	b = imapwire.AppendAString(append(b, ' '), store.AllRights.String())
	for _, g := range acl {
		identifier := g.Identifier
		if g.Negative {
			identifier = "-" + identifier
		}
		b = imapwire.AppendAString(append(b, ' '), identifier)
		b = imapwire.AppendAString(append(b, ' '), g.Rights.String())
	}
	s.conn.Write(append(b, "\r\n"...))
	return nil
}

// setACL is SETACL (RFC 4314 §3.1).
func (s *session) setACL(ctx context.Context, _ *command) error {
	var identifier, letters string
	p, _, err := s.aclArguments(ctx, &identifier, func() bool { return s.dec.SP() && s.dec.AString(&letters) })
	if err != nil {
		return err
	}
	sign := ""
	if strings.HasPrefix(letters, "+") || strings.HasPrefix(letters, "-") {
		sign, letters = letters[:1], letters[1:]
	}
	rights, err := store.ParseRights(letters)
	if err != nil { // RFC 4314 §3.1
		return bad("There is no such right; there are l r s w i p k x t e a")
	}
	return s.changeACL(ctx, &p, identifier, func(before store.Rights) store.Rights {
		switch sign {
		case "+":
			return before | rights
		case "-":
			return before &^ rights
		}
		return rights
	})
}

// deleteACL is DELETEACL (RFC 4314 §3.2).
func (s *session) deleteACL(ctx context.Context, _ *command) error {
	var identifier string
	p, _, err := s.aclArguments(ctx, &identifier, nothing)
	if err != nil {
		return err
	}
	return s.changeACL(ctx, &p, identifier, func(store.Rights) store.Rights { return 0 })
}

// changeACL changes the rights of an identifier.
func (s *session) changeACL(ctx context.Context, p *place, identifier string, to func(store.Rights) store.Rights) error {
	g, err := s.grant(ctx, identifier)
	switch {
	case err != nil:
		return err
	case g.Account == p.account.ID():
		return no("CANNOT", "The owner of a mailbox always has all rights to it")
	}
	return s.srv.store.ChangeACL(ctx, p.account.ID(), p.owner, p.name, func(acl store.ACL) store.ACL {
		g.Rights = to(acl.Of(g))
		return acl.With(g)
	})
}

// grant finds whom an identifier means: anyone, a user, or a group of the directory.
func (s *session) grant(ctx context.Context, identifier string) (g store.Grant, err error) {
	if g.Identifier, g.Negative = strings.CutPrefix(identifier, "-"); g.Identifier == "" {
		return g, bad("An identifier is empty")
	}
	if strings.EqualFold(g.Identifier, store.Anyone) {
		g.Identifier = store.Anyone
		return g, nil
	}
	id, address, err := s.findUser(ctx, g.Identifier)
	if err == nil {
		g.Account, g.Identifier = id, address
		return g, nil
	}
	if fault.Is(err, fault.NotFound) && s.srv.directory != nil {
		g.Identifier, _, err = s.srv.directory.Member(ctx, g.Identifier, s.account.ID())
	}
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return g, no("CANNOT", "There is no user or group of that name here")
	}
	return g, err
}

// listRights is LISTRIGHTS (RFC 4314 §3.4): every right can be given by itself.
func (s *session) listRights(ctx context.Context, _ *command) error {
	var identifier string
	p, _, err := s.aclArguments(ctx, &identifier, nothing)
	if err != nil {
		return err
	}
	g, err := s.grant(ctx, identifier)
	if err != nil {
		return err
	}
	b := s.appendMailbox([]byte("* LISTRIGHTS "), p.shown)
	b = imapwire.AppendAString(append(b, ' '), identifier)
	if g.Account == p.account.ID() && !g.Negative {
		b = append(append(b, ' '), store.AllRights.String()...)
	} else {
		b = append(b, ` ""`...)
		for _, letter := range store.AllRights.String() {
			b = append(b, ' ', byte(letter))
		}
	}
	s.conn.Write(append(b, "\r\n"...))
	return nil
}

// anyRight are the rights of which it takes one to ask for one's rights (RFC 4314 §4).
const anyRight = store.RightLookup | store.RightRead | store.RightInsert | store.RightCreate | store.RightDelete | store.RightAdmin

// myRights is MYRIGHTS (RFC 4314 §3.5).
func (s *session) myRights(ctx context.Context, _ *command) error {
	var name string
	if !s.mailboxArgument(&name) || !s.dec.End() {
		return s.syntax()
	}
	p, err := s.place(ctx, name, 0)
	if err != nil {
		return err
	}
	if _, err := p.account.Mailbox(ctx, p.name); err != nil {
		return err
	}
	if !p.rights.Any(anyRight) {
		return errNoMailbox
	}
	s.conn.Write(s.appendMyRights(nil, p.shown, p.rights))
	return nil
}

// appendMyRights appends a MYRIGHTS response.
func (s *session) appendMyRights(dst []byte, name string, rights store.Rights) []byte {
	dst = s.appendMailbox(append(dst, "* MYRIGHTS "...), name)
	dst = imapwire.AppendAString(append(dst, ' '), rights.String())
	return append(dst, "\r\n"...)
}
