package login

import (
	"crypto"
	_ "crypto/sha256" // what ends of channels are hashed with
	_ "crypto/sha512"
	"crypto/tls"
	"crypto/x509"
)

// binds says whether an exchange can be bound to the peer's connection.
func (g *Gate) binds(p *Peer) bool {
	if p.TLS == nil {
		return false
	}
	of := p.bindings(g.o.Shown)
	return p.TLS.Version >= tls.VersionTLS13 || len(of(unique)) > 0 || len(of(endPoint)) > 0
}

// The kinds of channel binding.
const (
	exporter = "tls-exporter"         // RFC 9266
	endPoint = "tls-server-end-point" // RFC 5929 §4
	unique   = "tls-unique"           // RFC 5929 §3
)

// bindings gives what a connection has for each kind: see sasl.Scram.
func (p *Peer) bindings(shown func(name string) []*x509.Certificate) func(kind string) [][]byte {
	return func(kind string) [][]byte {
		switch {
		case p.TLS == nil:
		case kind == exporter && p.TLS.Version >= tls.VersionTLS13: // before, its value is not unique (§3)
			if data, err := p.TLS.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32); err == nil {
				return [][]byte{data}
			}
		case kind == unique && p.TLS.Version < tls.VersionTLS13 && len(p.TLS.TLSUnique) > 0:
			return [][]byte{p.TLS.TLSUnique}
		case kind == endPoint && shown != nil:
			return endPoints(shown(p.TLS.ServerName))
		}
		return nil
	}
}

// endPoints are the hashes of certificates that stand for the server's end. Which of
// them a client was shown is not known for certain: there are several for a name, they
// are exchanged, and a session that is resumed shows none. All of them are ours.
func endPoints(certificates []*x509.Certificate) (all [][]byte) {
	for _, c := range certificates {
		if hash := endPointHash(c.SignatureAlgorithm); hash != 0 {
			h := hash.New()
			h.Write(c.Raw)
			all = append(all, h.Sum(nil))
		}
	}
	return all
}

// endPointHash is the hash of a certificate's signature, or SHA-256 for those that are
// weak (RFC 5929 §4.1). Without a hash there is no such binding: 0.
func endPointHash(algorithm x509.SignatureAlgorithm) crypto.Hash {
	switch algorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256:
		return crypto.SHA256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		return crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		return crypto.SHA512
	}
	return 0
}
