package login

import (
	"context"
	"errors"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/sasl"
)

// password is the sasl.Verify of mechanisms that send one.
func (x *Exchange) password(authzid, user, password string) error {
	x.settled = true
	_, err := x.gate.password(x.ctx, x.claims(user, authzid), password)
	return err
}

// scram is SCRAM. The guard is asked before the keys are looked for, and told when the
// proof has come.
func (x *Exchange) scram(hash directory.ScramHash, plus bool) sasl.Server {
	g, p := x.gate, &x.attempt.Peer
	var known directory.Scram
	o := sasl.Scram{Hash: hash.New, Plus: plus, Bindings: p.bindings(g.o.Shown)}
	o.OffersPlus = plus || g.offers(*p, x.attempt.Mechanism+"-PLUS")
	o.Keys = func(authzid, user string) (keys sasl.ScramKeys, err error) {
		if err = g.admit(x.ctx, x.claims(user, authzid)); err == nil {
			known, err = g.o.Directory.ScramKeys(x.ctx, user, hash, p.use())
		}
		if err != nil {
			return keys, x.settle(directory.Proven{}, err)
		}
		keys = sasl.ScramKeys{Salt: known.Salt, Iterations: known.Iterations}
		for _, k := range known.Keys {
			keys.Keys = append(keys.Keys, sasl.ScramKey{Stored: k.Stored, Server: k.Server})
		}
		return keys, nil
	}
	o.Verify = func(key int) error {
		if key == sasl.NoKey || known.Account.ID == 0 {
			return x.settle(directory.Proven{}, fault.New(fault.Unauthenticated, "login: wrong user or proof"))
		}
		by := known.Keys[key]
		return x.settle(g.proven(x.ctx, directory.Proven{Account: known.Account, By: by.ID, Until: by.Until}, by.Refused))
	}
	return sasl.NewScram(o)
}

// proven is what it is worth to have proven a credential; refused is why it might be of
// no use.
func (g *Gate) proven(ctx context.Context, account directory.Proven, refused error) (directory.Proven, error) {
	if refused == nil {
		g.o.Directory.Used(ctx, account.ID, account.By)
	}
	return account, refused
}

// cramMD5 is CRAM-MD5.
func (x *Exchange) cramMD5() sasl.Server {
	return sasl.NewCramMD5(sasl.Challenge(x.gate.o.Hostname, time.Now()), func(d sasl.Digest) error {
		x.settled = true
		_, err := x.gate.digest(x.ctx, x.claims(d.User, ""), d)
		return err
	})
}

// digest proves a digest of something and a secret.
func (g *Gate) digest(ctx context.Context, a *Attempt, d sasl.Digest) (Identity, error) {
	return g.prove(ctx, a, func() (directory.Proven, error) {
		secrets, err := g.o.Directory.SharedSecrets(ctx, a.User, a.Peer.use())
		if err != nil {
			return directory.Proven{}, err
		}
		var match *directory.Secret
		for i := range secrets { // all of them: time does not tell which it was
			if d.Match([]byte(secrets[i].Text)) {
				match = &secrets[i]
			}
		}
		if match == nil || match.Account.ID == 0 {
			return directory.Proven{}, fault.New(fault.Unauthenticated, "login: wrong user or digest")
		}
		return g.proven(ctx, directory.Proven{Account: match.Account, By: match.ID, Until: match.Until}, match.Refused)
	})
}

func (x *Exchange) oauthBearer() sasl.Server {
	return sasl.NewOAuthBearer(x.gate.o.Tokens.Discovery(), x.token)
}

func (x *Exchange) xoauth2() sasl.Server {
	return sasl.NewXOAuth2(x.gate.o.Tokens.Discovery(), x.token)
}

// takesTokens says whether there is a provider whose tokens are good here.
func (g *Gate) takesTokens(*Peer) bool { return g.o.Tokens != nil }

// token proves a token. Whose it is it says itself; whom the client names has to be that.
func (x *Exchange) token(authzid, token string) error {
	g, a := x.gate, x.claims(authzid, authzid)
	if err := g.admit(x.ctx, a); err != nil {
		return x.settle(directory.Proven{}, err)
	}
	address, err := g.o.Tokens.Verify(x.ctx, token)
	if err != nil {
		return x.settle(directory.Proven{}, err)
	}
	a.User = address
	account, err := g.find(x.ctx, a.Peer, address)
	if errors.Is(err, errNobody) && g.o.Provision {
		account.Account, err = g.provision(x.ctx, a.Peer, address)
	}
	return x.settle(account, err)
}

// provision makes an account for somebody whom the provider knows, and we do not yet.
func (g *Gate) provision(ctx context.Context, p Peer, user string) (directory.Account, error) {
	address, err := addr.Parse(user)
	if err != nil {
		return directory.Account{}, fault.New(fault.Unauthenticated, "login: %w", err)
	}
	account, err := g.o.Directory.Adopt(ctx, address, directory.FromProvider)
	switch {
	case fault.Is(err, fault.NotFound) || fault.Is(err, fault.Exists) || fault.Is(err, fault.Invalid):
		return account, fault.New(fault.Unauthenticated, "login: %w", err)
	case err != nil:
		return account, err
	case account.Source != directory.FromProvider: // it is there, but gone from the directory that it is from
		return account, fault.New(fault.Unauthenticated, "login: %s is not in the directory %s any more", account.Address, account.Source)
	}
	return account, account.Refuse(p.use())
}
