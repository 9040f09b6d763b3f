package dane

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"time"

	"posthorn/internal/dns"
	"posthorn/internal/fault"
)

// Verify says whether the certificates that a server has shown, its own first, are
// what the records mean. names are those by which it may go besides Host: that of the
// destination (RFC 7672 §3.2.2). The error is of kind Denied, and wraps that of x509 if a
// trust anchor fits and something else is wrong.
func (p Policy) Verify(chain []*x509.Certificate, names ...string) error {
	if len(chain) == 0 {
		return fault.New(fault.Denied, "dane: the server of %s has shown no certificate", p.Host)
	}
	failed := fault.New(fault.Denied, "dane: no certificate of %s is what its TLSA records say", p.Host)
	for _, r := range p.Records {
		switch {
		case r.Usage == usageEE && matches(r, chain[0]):
			// RFC 7672 §3.1.1: neither names nor times matter, the record has them.
			return nil
		case r.Usage == usageTA:
			anchors := anchors(r, chain)
			if len(anchors) == 0 {
				continue
			}
			err := verifyBelow(anchors, chain, append(names[:len(names):len(names)], p.Host))
			if err == nil {
				return nil
			}
			failed = fault.New(fault.Denied, "dane: %s: %w", p.Host, err)
		}
	}
	return failed
}

// anchors are the certificates that a record makes trusted. RFC 7672 §3.1.2: they
// have to be in the chain; but if the record has the whole of one it need not be.
func anchors(r dns.TLSA, chain []*x509.Certificate) []*x509.Certificate {
	var all []*x509.Certificate
	for _, cert := range chain[1:] {
		if matches(r, cert) {
			all = append(all, cert)
		}
	}
	if r.Selector == wholeCertificate && r.MatchingType == asItIs && len(all) == 0 {
		if cert, err := x509.ParseCertificate(r.Data); err == nil && !cert.Equal(chain[0]) {
			all = append(all, cert)
		}
	}
	return all
}

// verifyBelow verifies a chain up to one of the anchors, as usual: times and names
// matter.
func verifyBelow(anchors, chain []*x509.Certificate, names []string) error {
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: time.Now()}
	for _, cert := range anchors {
		o.Roots.AddCert(cert)
	}
	for _, cert := range chain[1:] {
		o.Intermediates.AddCert(cert)
	}
	if _, err := chain[0].Verify(o); err != nil {
		return err
	}
	var err error
	for _, name := range names {
		if err = chain[0].VerifyHostname(name); err == nil {
			return nil
		}
	}
	return err
}

// matches compares a certificate with a record.
func matches(r dns.TLSA, cert *x509.Certificate) bool {
	selected := cert.Raw
	if r.Selector == publicKey {
		selected = cert.RawSubjectPublicKeyInfo
	}
	switch r.MatchingType {
	case sha2x2:
		sum := sha256.Sum256(selected)
		selected = sum[:]
	case sha2x5:
		sum := sha512.Sum512(selected)
		selected = sum[:]
	}
	return bytes.Equal(selected, r.Data)
}
