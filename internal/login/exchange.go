package login

import (
	"context"
	"time"

	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/sasl"
)

// mechanism is a row of what can be offered.
type mechanism struct {
	name  string                        // as registered with IANA, in capitals
	asked bool                          // only where the listener names it
	keys  bool                          // unless the listener names it, only if there are SCRAM keys for everybody
	can   func(g *Gate, p *Peer) bool   // whether this peer could use it; nil: any
	start func(x *Exchange) sasl.Server // nil: it is a command of POP3's own
}

// apop and trusted are called like mechanisms, but are none of SASL's.
const apop, trusted = "APOP", "trusted"

// mechanisms are all of them. PLAIN and LOGIN come first: programs that take the first
// that they know do well with them under TLS, whatever is known of the password.
//
// Of the -PLUS ones some programs know the name only and then fail: mutt does.
//
// CRAM-MD5 and APOP only work for accounts whose password is kept in a form that can be
// read, and programs that see them may try nothing else. Nor do many that see SCRAM, for
// which there are no keys of a password that came as a hash and was not seen in plain yet.
var mechanisms = []mechanism{
	{name: "PLAIN", start: func(x *Exchange) sasl.Server { return sasl.NewPlain(x.password) }},
	{name: "LOGIN", start: func(x *Exchange) sasl.Server { return sasl.NewLogin(x.password) }},
	{name: "SCRAM-SHA-256", keys: true, start: func(x *Exchange) sasl.Server { return x.scram(directory.ScramSHA256, false) }},
	{name: "SCRAM-SHA-256-PLUS", keys: true, asked: true, can: (*Gate).binds, start: func(x *Exchange) sasl.Server { return x.scram(directory.ScramSHA256, true) }},
	{name: "SCRAM-SHA-1", keys: true, start: func(x *Exchange) sasl.Server { return x.scram(directory.ScramSHA1, false) }},
	{name: "SCRAM-SHA-1-PLUS", keys: true, asked: true, can: (*Gate).binds, start: func(x *Exchange) sasl.Server { return x.scram(directory.ScramSHA1, true) }},
	{name: "OAUTHBEARER", can: (*Gate).takesTokens, start: (*Exchange).oauthBearer},
	{name: "XOAUTH2", can: (*Gate).takesTokens, start: (*Exchange).xoauth2},
	{name: "EXTERNAL", can: (*Gate).knows, start: func(x *Exchange) sasl.Server { return sasl.NewExternal(x.certificate) }},
	{name: "CRAM-MD5", asked: true, start: (*Exchange).cramMD5},
	{name: apop, asked: true, can: func(_ *Gate, p *Peer) bool { return p.Protocol == "pop3" }},
}

// Names lists what Options can name.
func Names() []string {
	var names []string
	for i := range mechanisms {
		names = append(names, mechanisms[i].name)
	}
	return names
}

// Mechanisms lists those of SASL that a peer may use now.
func (g *Gate) Mechanisms(p Peer) []string {
	var names []string
	for _, m := range g.rows {
		if m.start != nil && g.allows(&p, m) {
			names = append(names, m.name)
		}
	}
	return names
}

// allows says whether a peer may use a mechanism now: in clear none (RFC 4954 §4, RFC
// 3501 §11.1, RFC 2595 §2.3), unless the listener is for that. SCRAM would not give a
// password away, but whoever listens could try passwords on what it does give away, or
// take the connection over after it.
func (g *Gate) allows(p *Peer, m *mechanism) bool {
	return (p.TLS != nil || g.o.InClear) && (m.can == nil || m.can(g, p)) && (!m.keys || len(g.o.Only) > 0 || g.scramForAll())
}

// patience bounds the question for a word that is mostly in memory.
const patience = 2 * time.Second

// scramForAll says whether everybody could use SCRAM; if that cannot be told, nobody is
// led to it.
func (g *Gate) scramForAll() bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all, err := g.o.Directory.ScramForAll(ctx)
	return err == nil && all
}

// offers says whether a peer may use the mechanism of this name now.
func (g *Gate) offers(p Peer, name string) bool { return g.row(&p, name) != nil }

func (g *Gate) row(p *Peer, name string) *mechanism {
	for _, m := range g.rows {
		if m.name == name && g.allows(p, m) {
			return m
		}
	}
	return nil
}

// Start begins an exchange. The mechanism's name may be in any case. The error is
// Unsupported for one that Mechanisms does not list.
func (g *Gate) Start(ctx context.Context, p Peer, name string) (*Exchange, error) {
	m := g.row(&p, sasl.Canonical(name))
	if m == nil || m.start == nil {
		return nil, fault.New(fault.Unsupported, "login: mechanism %.100q is not offered", name)
	}
	x := &Exchange{gate: g, ctx: ctx, attempt: Attempt{Peer: p, Mechanism: m.name}}
	x.server = m.start(x)
	return x, nil
}

// Exchange is one run of a mechanism: a sasl.Server that knows in the end who it was.
type Exchange struct {
	gate    *Gate
	ctx     context.Context
	server  sasl.Server
	attempt Attempt
	settled bool
}

// Next takes the client's response; see sasl.Server.
func (x *Exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = x.server.Next(response)
	if !x.settled && fault.Is(err, fault.Unauthenticated) {
		// It never came to a proof: somebody is between us, or the client is of no use.
		x.settled, x.attempt.Err = true, err
		x.gate.tell(x.ctx, &x.attempt)
	}
	return challenge, done, err
}

// Identity is who it was, once Next has said that it is done.
func (x *Exchange) Identity() Identity { return x.attempt.Identity }

// claims notes whom the client claims to be.
func (x *Exchange) claims(user, authzid string) *Attempt {
	x.attempt.User, x.attempt.As = user, authzid
	return &x.attempt
}

// settle ends the attempt.
func (x *Exchange) settle(account directory.Proven, err error) error {
	x.settled = true
	_, err = x.gate.settle(x.ctx, &x.attempt, account, err)
	return err
}

// use is what a credential is used for here.
func (p *Peer) use() directory.Use { return directory.Use{Protocol: p.Protocol} }
