package login

import (
	"context"

	"posthorn/internal/fault"
	"posthorn/internal/sasl"
)

// mechanism is a row of what can be offered.
type mechanism struct {
	name  string // as registered with IANA, in capitals
	start func(x *Exchange) sasl.Server
}

// mechanisms are all of them, the preferred first.
var mechanisms = []mechanism{
	{"PLAIN", func(x *Exchange) sasl.Server { return sasl.NewPlain(x.password) }},
	{"LOGIN", func(x *Exchange) sasl.Server { return sasl.NewLogin(x.password) }},
}

// Mechanisms lists what a peer may use now, the preferred first: nothing in clear
// (RFC 4954 §4, RFC 3501 §11.1, RFC 2595 §2.3), unless the listener is for that.
func (g *Gate) Mechanisms(p Peer) []string {
	var names []string
	for i := range mechanisms {
		if g.offers(p, mechanisms[i].name) {
			names = append(names, mechanisms[i].name)
		}
	}
	return names
}

// offers says whether a peer may use a mechanism now.
func (g *Gate) offers(p Peer, _ string) bool { return p.TLS != nil || g.o.InClear }

// Start begins an exchange. The mechanism's name may be in any case. The error is
// Unsupported for one that Mechanisms does not list.
func (g *Gate) Start(ctx context.Context, p Peer, name string) (*Exchange, error) {
	name = sasl.Canonical(name)
	for i := range mechanisms {
		if m := &mechanisms[i]; m.name == name && g.offers(p, name) {
			x := &Exchange{gate: g, ctx: ctx, peer: p, mechanism: name}
			x.server = m.start(x)
			return x, nil
		}
	}
	return nil, fault.New(fault.Unsupported, "login: mechanism %.100q is not offered", name)
}

// Exchange is one run of a mechanism: a sasl.Server that knows in the end who it was.
type Exchange struct {
	gate      *Gate
	ctx       context.Context
	peer      Peer
	mechanism string
	server    sasl.Server
	identity  Identity
}

// Next takes the client's response; see sasl.Server.
func (x *Exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	return x.server.Next(response)
}

// Identity is who it was, once Next has said that it is done.
func (x *Exchange) Identity() Identity { return x.identity }

// attempt begins what is told of the exchange.
func (x *Exchange) attempt(user, authzid string) *Attempt {
	return &Attempt{Peer: x.peer, Mechanism: x.mechanism, User: user, As: authzid}
}

// password is the sasl.Verify of mechanisms that send one.
func (x *Exchange) password(authzid, user, password string) (err error) {
	x.identity, err = x.gate.password(x.ctx, x.attempt(user, authzid), password)
	return err
}
