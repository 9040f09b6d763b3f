// Package login is the one door through which users come in, whatever protocol they
// speak: the faces hand in what a client says of itself, and get an identity or an
// error.
//
// It owns which mechanisms are offered to a peer, the running of an exchange, who may
// act as whom, the guard against guesses, and what is told of every login. It never
// knows a protocol, and never keeps a secret: mechanisms are sasl's, which is bytes in
// and bytes out, and what is proven is proven by the directory.
//
// Flow: a face asks Mechanisms what to offer -> Password, or Start and the Exchange
// that it gives, take what the client says (exchange.go) -> the guard admits the
// attempt, or does not -> the directory says whether the proof holds -> settle, alone,
// turns that into the answer and tells guard, log and history of it.
//
// Invariants: nothing is offered in clear unless the listener says so; an attempt is
// settled once, or the client has left in its midst; whoever cannot prove who he is never learns whether
// the user exists, what the account may do, or which part of it all was wrong.
package login

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/obs"
	"posthorn/internal/sasl"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

// Peer is who stands at the door.
type Peer struct {
	Protocol string               // "smtp", "imap", "pop3": what credentials are scoped by
	Remote   netip.Addr           // invalid if the transport has none
	TLS      *tls.ConnectionState // nil: in clear
	Client   string               // what it calls itself; "": not known
	Conn     string               // our name for the connection
	Log      *slog.Logger         // for what concerns the connection; nil: nothing is logged
}

// Identity is who somebody has proven to be.
type Identity struct {
	Account store.AccountID
	Name    string // the account's canonical address
	How     How
}

// How is by what somebody has proven that, for the time when it is not good any more.
type How struct {
	Mechanism  string // "PLAIN" also for commands that bring a password
	Credential directory.CredentialID
	Until      time.Time // when the credential is over; zero: never
}

// Login is what a connection is to know of an identity.
func (id *Identity) Login(p Peer) wire.Login {
	return wire.Login{User: id.Name, Mechanism: id.How.Mechanism, Credential: string(id.How.Credential), Until: id.How.Until, Client: p.Client}
}

// Directory proves who users are. Errors: Unauthenticated for any proof that is wrong,
// also of somebody who is not there; Denied for the right one of an account that may
// not log in; or a fault of the server's own.
type Directory interface {
	Authenticate(ctx context.Context, user, password string, use directory.Use) (directory.Proven, error)
	// Find finds the account of an address, here or in another directory. There may be none: NotFound.
	Find(ctx context.Context, address addr.Address) (directory.Account, error)
	// ScramKeys and SharedSecrets give what proofs are compared with. Of somebody who is
	// not there it is made up.
	ScramKeys(ctx context.Context, user string, hash directory.ScramHash, use directory.Use) (directory.Scram, error)
	SharedSecrets(ctx context.Context, user string, use directory.Use) ([]directory.Secret, error)
	// ScramForAll says whether ScramKeys has some of everybody who logs in with a password.
	ScramForAll(ctx context.Context) (bool, error)
	// Adopt makes the account of somebody whom another directory knows.
	Adopt(ctx context.Context, address addr.Address, source string) (directory.Account, error)
	// Used notes that a credential was used.
	Used(ctx context.Context, account directory.AccountID, credential directory.CredentialID)
}

// Tokens proves who a token was given to.
type Tokens interface {
	// Verify gives the user's address. Errors: Unauthenticated, or a fault.
	Verify(ctx context.Context, token string) (address string, err error)
	// Discovery is what a client is told whose token is not good.
	Discovery() sasl.Discovery
}

// Guard keeps those away who guess.
type Guard interface {
	// Admit says whether an attempt to be user may be made now; it may take its time. Its
	// error is ErrGuesses, or that of ctx: it must not tell anything of the user.
	Admit(ctx context.Context, p Peer, user string) error
	// What was admitted ends with one of these: it was wrong; it was right; or it came to
	// nothing, which tells nothing.
	Failed(p Peer, user string)
	Succeeded(p Peer, user string, id Identity)
	Withdrawn(p Peer, user string)
}

// Recorder is told what became of each attempt. It does not block.
type Recorder interface {
	Record(ctx context.Context, a *Attempt)
}

// Attempt is what was tried at the door, and what became of it.
type Attempt struct {
	Peer      Peer
	Mechanism string // as sasl calls it, or "APOP", "trusted"; "": a command for passwords
	User      string // whom it claimed to be
	As        string // whom it wanted to act as; "": itself
	Identity  Identity
	Err       error // nil: it was let in

	admitted bool // by the guard, which waits for the end
}

// Options configure a Gate. Directory is required.
type Options struct {
	Directory Directory
	Hostname  string // what the server calls itself
	InClear   bool   // log in without TLS, too
	// Only names all mechanisms that are offered; empty: all that are not for those alone
	// who ask for them. Without names those that are not.
	Only, Without []string

	Tokens       Tokens            // nil: no mechanism that takes a token
	Provision    bool              // whom a token vouches for gets an account
	Certificates bool              // clients are asked for certificates
	Holders      map[string]string // addresses by the SHA-256 of a client's certificate, or by its subject
	// Shown gives the certificates that this server may have shown to clients that asked
	// for a name; nil: exchanges are not bound to them.
	Shown func(name string) []*x509.Certificate

	Room     func(p Peer, id Identity) error // says ErrSessions if there is none for one more session; nil: there is
	Guard    Guard                           // nil: everybody may try
	History  obs.Recorder                    // gets the attempts that failed; nil: there is none
	Recorder Recorder                        // gets all attempts; nil: nobody wants them
}

// Gate is the door behind one listener.
type Gate struct {
	o    Options
	rows []*mechanism // that the listener has, the preferred first
}

// New makes a Gate.
func New(o Options) *Gate {
	g := &Gate{o: o}
	for i := range mechanisms {
		m := &mechanisms[i]
		chosen := slices.Contains(o.Only, m.name) || len(o.Only) == 0 && !m.asked
		if chosen && !slices.Contains(o.Without, m.name) {
			g.rows = append(g.rows, m)
		}
	}
	return g
}

// InClear says whether users may log in without TLS.
func (g *Gate) InClear() bool { return g.o.InClear }

// Passwords says whether the protocol's own commands for passwords may be used now: as
// they are PLAIN by another name, where PLAIN or LOGIN are.
func (g *Gate) Passwords(p Peer) bool { return g.offers(p, "PLAIN") || g.offers(p, "LOGIN") }

// Password proves a password, as the protocol's own commands bring it.
func (g *Gate) Password(ctx context.Context, p Peer, authzid, user, password string) (Identity, error) {
	if !g.Passwords(p) {
		return Identity{}, fault.New(fault.Unsupported, "login: passwords are not taken here")
	}
	return g.password(ctx, &Attempt{Peer: p, User: user, As: authzid}, password)
}

func (g *Gate) password(ctx context.Context, a *Attempt, password string) (Identity, error) {
	return g.prove(ctx, a, func() (directory.Proven, error) {
		return g.o.Directory.Authenticate(ctx, a.User, password, a.Peer.use())
	})
}

// PasswordAnd is Password of somebody who acts as himself and has to prove something else
// besides. Both are one attempt: who fails the second has failed.
func (g *Gate) PasswordAnd(ctx context.Context, p Peer, user, password string, second func(context.Context, directory.Account) error) (Identity, error) {
	if !g.Passwords(p) {
		return Identity{}, fault.New(fault.Unsupported, "login: passwords are not taken here")
	}
	return g.prove(ctx, &Attempt{Peer: p, User: user}, func() (directory.Proven, error) {
		who, err := g.o.Directory.Authenticate(ctx, user, password, p.use())
		if err == nil {
			err = second(ctx, who.Account)
		}
		return who, err
	})
}

// Greeting is the challenge that clients of POP3 are greeted with who may use APOP; "" if
// they may not.
func (g *Gate) Greeting(p Peer) string {
	if !g.offers(p, apop) {
		return ""
	}
	return sasl.Challenge(g.o.Hostname, time.Now())
}

// APOP proves a digest of the greeting and a secret (RFC 1939 §7).
func (g *Gate) APOP(ctx context.Context, p Peer, greeting, user, digest string) (Identity, error) {
	if greeting == "" || !g.offers(p, apop) {
		return Identity{}, fault.New(fault.Unsupported, "login: APOP is not offered here")
	}
	d, err := sasl.APOP(greeting, user, digest)
	if err != nil {
		return Identity{}, err
	}
	return g.digest(ctx, &Attempt{Peer: p, Mechanism: apop, User: user}, d)
}

// Identify lets a user in whom somebody trusted has authenticated, like a proxy.
func (g *Gate) Identify(ctx context.Context, p Peer, user string) (Identity, error) {
	account, err := g.find(ctx, p, user)
	return g.settle(ctx, &Attempt{Peer: p, Mechanism: trusted, User: user}, account, err)
}

// errNobody is in the chain of the error when somebody is proven, but has no account.
var errNobody = errors.New("nobody here")

// find gives the account of a user who needs no password any more.
func (g *Gate) find(ctx context.Context, p Peer, user string) (directory.Proven, error) {
	address, err := addr.Parse(user)
	if err != nil {
		return directory.Proven{}, fault.New(fault.Unauthenticated, "login: %w", err)
	}
	account, err := g.o.Directory.Find(ctx, address)
	switch {
	case fault.Is(err, fault.NotFound):
		err = fault.New(fault.Unauthenticated, "login: %w: %w", errNobody, err)
	case err == nil:
		err = account.Refuse(directory.Use{Protocol: p.Protocol})
	}
	return directory.Proven{Account: account}, err
}
