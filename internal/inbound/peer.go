package inbound

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/filter/lists"
	"posthorn/internal/obs"
)

// Peer is the other end of a connection, and the door it knocks at.
type Peer struct {
	Role          Role
	Trusted       bool         // its word is taken for who it is: a program that the operator lets send
	PlaintextAuth bool         // the door lets clients authenticate without TLS
	Remote        netip.Addr   // invalid if the transport has no addresses
	Local         netip.Addr   // ours, that it has connected to
	Conn          string       // names the connection
	Log           *slog.Logger // for what concerns it; names the connection, too
}

// NewSession begins a session with a client.
func (a *Acceptor) NewSession(p Peer) *Session {
	s := &Session{acceptor: a, peer: p}
	f := &s.facts
	f.Role, f.PlaintextAuth, f.Relay = p.Role, p.PlaintextAuth, a.o.Relay
	f.Exempt = contains(a.o.Policy.Exempt, p.Remote)
	// RFC 6409 §4.3: on submission everybody authenticates, wherever he is.
	f.MayRelay = p.Role == MX && contains(a.o.Policy.RelayFrom, p.Remote)
	f.Inside = f.Exempt || f.MayRelay || p.Remote.IsLoopback() || p.Remote.IsValid() && p.Remote == p.Local
	s.list(f, func(l *lists.List) *lists.Entry { return l.Client(p.Remote) })
	return s
}

func contains(networks []netip.Prefix, ip netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

// GreetDelay is how long to wait whether the client speaks before it is greeted,
// which no mail server does; 0: not at all.
func (s *Session) GreetDelay() time.Duration {
	if !s.waitsForGreeting() || s.isKnown() {
		return 0
	}
	return s.acceptor.o.Policy.GreetDelay
}

// patience is how many errors a client may make before it is slowed down: more than
// people do who try the protocol by hand.
const patience = 5

// Tarpit is how long a client is kept waiting for the reply to an error, given how
// many it has made: a second more each time, so that guessing does not pay.
func (s *Session) Tarpit(errors int) time.Duration {
	if errors <= patience || s.facts.Inside || s.user != "" || s.peer.Role == LMTP {
		return 0
	}
	return min(time.Duration(errors-patience)*time.Second, s.acceptor.o.Policy.Tarpit)
}

// Connect decides whether to speak with the client at all; early says that it spoke
// before it was greeted. The error is a *Refusal or a fault.
func (s *Session) Connect(ctx context.Context, early bool) error {
	f := s.findings()
	f.Stage, f.Early = OnConnect, early
	s.gatherClient(&f)
	err := s.decide(&f)
	if err != nil {
		s.refused(ctx, s.event(obs.ConnectionRefused), err)
	}
	return err
}

// MaxSize is how large a message of the client's may be, in bytes; 0: any size.
func (s *Session) MaxSize() int64 { return s.acceptor.o.Policy.maxSize(&s.facts) }

// MaxRecipients is how many recipients it may have; 0: any number.
func (s *Session) MaxRecipients() int { return s.acceptor.o.Policy.maxRecipients(&s.facts) }

// maxHello is how much of a client's name is kept.
const maxHello = 255

// Hello records what the client calls itself, and whether it speaks the extended
// protocol (EHLO, LHLO). The error is a *Refusal or a fault; the client may try again.
func (s *Session) Hello(ctx context.Context, name string, extended bool) error {
	s.forgetHello()
	name = name[:min(len(name), maxHello)]
	f := s.findings()
	f.Stage, f.HelloName, f.Hello = OnHello, name, s.helloKind(ctx, name)
	s.list(&f, func(l *lists.List) *lists.Entry { return l.Hello(name) })
	if err := s.decide(&f); err != nil {
		e := s.event(obs.HelloRefused)
		e.Hello = name
		s.refused(ctx, e, err)
		return err
	}
	if f.Hello == HelloOdd {
		s.peer.Log.DebugContext(ctx, "odd hello", "hello", name)
	}
	s.facts.HelloName, s.facts.Hello = f.HelloName, f.Hello
	s.hello, s.extended = name, extended
	return nil
}

func (s *Session) forgetHello() {
	s.hello, s.extended = "", false
	s.facts.HelloName, s.facts.Hello = "", HelloPlain
}

// helloKind looks at the name of a client from outside. Real mail servers send all
// sorts of names, but never ours.
func (s *Session) helloKind(ctx context.Context, name string) HelloKind {
	if s.peer.Role != MX || s.facts.Inside {
		return HelloPlain
	}
	name = strings.TrimSuffix(name, ".")
	ip, literal := addr.Address{Domain: name}.Literal()
	if !literal {
		if bare, err := netip.ParseAddr(name); err == nil {
			ip = bare
		}
	}
	switch {
	case strings.EqualFold(name, s.acceptor.o.Hostname), ip.IsValid() && ip.Unmap() == s.peer.Local:
		return HelloOurs
	case ip.IsValid():
		if literal && ip.Unmap() == s.peer.Remote {
			return HelloPlain
		}
		return HelloOdd
	}
	// A fault of the directory will show at RCPT, where it matters.
	if ours, _ := s.acceptor.o.Directory.IsLocal(ctx, name); ours {
		return HelloOurs
	}
	if _, err := addr.CanonicalDomain(name); err != nil || !strings.Contains(name, ".") {
		return HelloOdd
	}
	return HelloPlain
}

// decide is Decide with a plain error.
func (s *Session) decide(f *Findings) error {
	if refusal := Decide(&s.acceptor.o.Policy, f); refusal != nil {
		return refusal
	}
	return nil
}
