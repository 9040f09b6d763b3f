package login

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"

	"posthorn/internal/directory"
	"posthorn/internal/fault"
)

// knows says whether the peer has shown a certificate that is trusted here.
func (g *Gate) knows(p *Peer) bool { return g.o.Certificates && p.certificate() != nil }

// certificate is the one that the peer has shown, and that TLS has verified; nil if
// there is none.
func (p *Peer) certificate() *x509.Certificate {
	if p.TLS == nil || len(p.TLS.VerifiedChains) == 0 || len(p.TLS.VerifiedChains[0]) == 0 {
		return nil
	}
	return p.TLS.VerifiedChains[0][0]
}

// certificate proves who a client is by its certificate (RFC 4422 appendix A).
func (x *Exchange) certificate(authzid string) error {
	g, shown := x.gate, x.attempt.Peer.certificate()
	if shown == nil {
		return fault.New(fault.Unauthenticated, "login: no certificate was shown")
	}
	owners := g.owners(shown)
	a := x.claims(authzid, authzid)
	if a.User == "" && len(owners) > 0 {
		a.User = owners[0]
	}
	if err := g.admit(x.ctx, a); err != nil {
		return x.settle(directory.Proven{}, err)
	}
	err := fault.New(fault.Unauthenticated, "login: the certificate of %.200q is nobody's here", shown.Subject)
	for _, owner := range owners {
		if authzid != "" && !strings.EqualFold(owner, authzid) {
			continue
		}
		account, wrong := g.find(x.ctx, a.Peer, owner)
		if err = wrong; !fault.Is(err, fault.Unauthenticated) {
			a.User = owner
			return x.settle(account, err)
		}
	}
	return x.settle(directory.Proven{}, err)
}

// owners are the addresses that a certificate stands for: what the operator says of it,
// or else the addresses (rfc822Name) in it.
func (g *Gate) owners(c *x509.Certificate) []string {
	sum := sha256.Sum256(c.Raw)
	for _, key := range []string{hex.EncodeToString(sum[:]), c.Subject.String()} {
		if address, ok := g.o.Holders[key]; ok {
			return []string{address}
		}
	}
	return c.EmailAddresses
}
