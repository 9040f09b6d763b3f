package smtpd

import (
	"context"
	"net/netip"
	"strings"

	"posthorn/internal/smtpwire"
)

// Postfix's XCLIENT and XFORWARD let a proxy or filter that is trusted say whom it
// stands for: XCLIENT for the rest of the session, which begins anew, and for every
// decision; XFORWARD for the next message, and only for what is told of it.

var (
	replyNotTrusted = smtpwire.NewReply(550, code{5, 7, 1}, "You may not speak for others here")
	replyNoLogin    = smtpwire.NewReply(501, code{5, 5, 4}, "LOGIN= is for submission")
)

// claim is what a trusted client says of another one. Each command adds to it.
type claim struct {
	remote, local netip.Addr // invalid: not known
	hello         string     // "": not known
	extended      bool
	login         string // "": nobody's
}

// isTrusted says whether the client may speak for others. Whom it speaks for makes
// no difference.
func (s *session) isTrusted() bool {
	ip := s.conn.RemoteAddr().Addr()
	for _, network := range s.Trusted {
		if network.Contains(ip) {
			return true
		}
	}
	return false
}

// claims is what EHLO says of XCLIENT.
func (s *session) claims() string {
	names := "NAME ADDR PORT PROTO HELO DESTADDR DESTPORT"
	if s.offersAuth() {
		names += " LOGIN"
	}
	return names
}

// xclient begins the session anew, with another client.
func (s *session) xclient(ctx context.Context, args string) (smtpwire.Reply, error) {
	c, reply := s.claim(args, s.client)
	if !reply.IsZero() {
		return reply, nil
	}
	s.close(ctx)
	s.client, s.claimed = c, true
	s.greeted, s.extended, s.user = false, false, ""
	if !c.local.IsValid() {
		c.local = s.conn.LocalAddr().Addr()
	}
	s.open(c.remote, c.local)
	if reply, err := s.welcome(ctx, false); s.unwanted {
		return reply, err
	}
	if c.login != "" {
		id, err := s.Gate.Identify(ctx, s.peer(), c.login)
		if err != nil {
			return s.authenticated(err)
		}
		s.become(id)
	}
	if c.hello != "" {
		if reply, err := s.introduce(ctx, c.hello, c.extended); !reply.IsZero() {
			return reply, err
		}
	}
	return s.greeting(), nil
}

// xforward says where the next message has come from.
func (s *session) xforward(_ context.Context, args string) (smtpwire.Reply, error) {
	c, reply := s.claim(args, s.upstream)
	if !reply.IsZero() {
		return reply, nil
	}
	s.upstream = c
	return smtpwire.NewReply(250, code{2, 0, 0}, "Noted for the next message"), nil
}

// claim reads the attributes of either command. The reply is zero if all is well.
func (s *session) claim(args string, c claim) (claim, smtpwire.Reply) {
	switch {
	case !s.isTrusted():
		return c, replyNotTrusted
	case s.tx != nil:
		return c, replyInMail
	}
	attributes, err := smtpwire.ParseAttributes(args)
	if err != nil {
		return c, badSyntax(err)
	}
	for _, a := range attributes {
		if !c.take(a) {
			return c, badParam(a.Keyword + "= cannot be " + a.Value)
		}
	}
	if c.login != "" && !s.offersAuth() {
		return c, replyNoLogin
	}
	return c, smtpwire.Reply{}
}

// take takes one attribute over. It returns false if it makes no sense.
func (c *claim) take(a smtpwire.Param) (ok bool) {
	value := a.Value
	if strings.EqualFold(value, "[UNAVAILABLE]") || strings.EqualFold(value, "[TEMPUNAVAIL]") {
		value = ""
	}
	if ok = isPrintable(value); !ok {
		return false
	}
	switch a.Keyword {
	case "ADDR":
		c.remote, ok = claimedAddr(value)
	case "DESTADDR":
		c.local, ok = claimedAddr(value)
	case "HELO":
		c.hello = value
	case "PROTO":
		c.extended = !strings.EqualFold(value, "SMTP")
	case "LOGIN":
		c.login = value
	case "NAME", "PORT", "DESTPORT", "IDENT", "SOURCE": // of no use to us
	default:
		return false
	}
	return ok
}

// claimedAddr reads an address; one of IPv6 may have a tag in front of it.
func claimedAddr(value string) (netip.Addr, bool) {
	if value == "" {
		return netip.Addr{}, true
	}
	const tag = "IPV6:"
	if len(value) > len(tag) && strings.EqualFold(value[:len(tag)], tag) {
		value = value[len(tag):]
	}
	ip, err := netip.ParseAddr(value)
	return ip.Unmap(), err == nil && ip.Zone() == ""
}
