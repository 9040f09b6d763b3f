package server

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"posthorn/internal/config"
	"posthorn/internal/login"
	"posthorn/internal/login/guard"
)

// newGuard makes the guard of all doors. Networks that fail too often are banned.
func (s *Server) newGuard(c *config.Config) *guard.Guard {
	g := guard.New(guard.Options{Excess: s.punish})
	g.Use(guarded(c))
	return g
}

// guarded are the networks that the guard treats in a way of their own: those that no
// limit is for, and those that stand for others.
func guarded(c *config.Config) guard.Networks {
	n := guard.Networks{Exempt: c.Limits.Exempt}
	for _, l := range c.Listeners {
		n.Trusted = slices.Concat(n.Trusted, l.ProxyProtocol, l.XClient)
	}
	return n
}

// punish bans a network with too many wrong passwords, unless somebody is logged in
// from there: then it is an office with a forgetful device rather than a botnet.
func (s *Server) punish(p login.Peer, failures int) {
	limits := s.data.config.Load().Limits
	if limits.BanAfter == 0 || failures < limits.BanAfter || s.sessions.Live(p.Remote) {
		return
	}
	s.data.Bans.Punish(p.Remote, fmt.Sprintf("%d wrong passwords within the hour", failures), limits.BanTime)
}

// refuse is the wire.Options.Refuse of a listener: it turns away who is banned. Those who
// stand for others, and networks where somebody is logged in, are let in, unless an
// operator wants it so.
func (s *Server) refuse(set settings) func(netip.Addr) (reply, why string) {
	let := slices.Concat(set.Listener.ProxyProtocol, set.Listener.XClient)
	return func(ip netip.Addr) (reply, why string) {
		ban, banned := s.data.Bans.Find(ip)
		if !banned || ban.Strikes > 0 && s.sessions.Live(ip) || slices.ContainsFunc(let, func(n netip.Prefix) bool { return n.Contains(ip) }) {
			return "", ""
		}
		text := fmt.Sprintf("Your network %s is refused until %s: %s", ban.Network, ban.Until.UTC().Format("2006-01-02 15:04 UTC"),
			cmp.Or(ban.Reason, "the operator has banned it"))
		return greeting(set, text), fmt.Sprintf("ban of %s until %s: %s", ban.Network, ban.Until.UTC().Format(time.RFC3339), ban.Reason)
	}
}

// greeting is how a protocol says at once that a peer is not wanted.
func greeting(set settings, text string) string {
	switch set.Listener.Protocol {
	case config.SMTP, config.LMTP, config.Submission, config.Submissions:
		return "421 4.7.0 " + set.Hostname + " " + text + "\r\n"
	case config.IMAP, config.IMAPS:
		return "* BYE " + text + "\r\n"
	case config.POP3, config.POP3S:
		return "-ERR [SYS/TEMP] " + text + "\r\n"
	}
	return ""
}

// room is the login.Options.Room of a listener: it bounds the sessions of one account.
func (s *Server) room(set settings) func(login.Peer, login.Identity) error {
	return func(p login.Peer, id login.Identity) error {
		most, exempt := set.Limits.MaxSessionsPerUser, slices.ContainsFunc(set.Limits.Exempt, func(n netip.Prefix) bool { return n.Contains(p.Remote) })
		if exempt || s.sessions.Of(string(set.Listener.Protocol), id.Name) < most {
			return nil
		}
		return login.ErrSessions
	}
}
