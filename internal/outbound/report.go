package outbound

import (
	"crypto/x509"
	"errors"
	"net/netip"
	"strings"

	"posthorn/internal/mtasts"
	"posthorn/internal/smtpclient"
	"posthorn/internal/tlsrpt"
)

// counts says that the destination may want to know how TLS goes with its servers.
func (d *delivery) counts() bool {
	return d.out.o.Sessions != nil && d.route.Transport == ByMX && !strings.HasPrefix(d.destination, "[")
}

// countSession counts a connection that has come past TLS, or has failed at it; failed
// is why it had to do without, if it had to.
func (d *delivery) countSession(t *target, a assurance, won dialed, client *smtpclient.Client, failed error) {
	if !d.counts() {
		return
	}
	s := tlsrpt.Session{Domain: d.destination, Policy: d.policy(a), Host: t.host, Receiver: won.ip, Sender: localAddr(won)}
	switch {
	case failed != nil:
		s.Failure, s.Reason = failure(failed), failed.Error()
	case client.TLS() == nil:
		s.Failure = tlsrpt.StartTLSNotSupported
	case a.dane.Requires() && !a.dane.Proves():
		s.Failure = tlsrpt.TLSAInvalid
	case s.Policy.Type == tlsrpt.STS && a.tls != smtpclient.TLSVerified: // testing
		if !d.sts.Policy.Matches(t.host) {
			s.Failure, s.Reason = tlsrpt.ValidationFailure, t.host+" is not in the policy"
		} else if err := d.verify(t, client); err != nil {
			s.Failure, s.Reason = failure(err), err.Error()
		}
	}
	d.out.o.Sessions.Count(s)
}

// countFailure counts what keeps us from connecting to a host, "" if it concerns all,
// as safely as the policy wants it.
func (d *delivery) countFailure(p tlsrpt.Policy, host string, f tlsrpt.Failure, why string) {
	if d.counts() {
		d.out.o.Sessions.Count(tlsrpt.Session{Domain: d.destination, Policy: p, Host: host, Failure: f, Reason: why})
	}
}

// countFetch counts that the policy of the destination could not be had.
func (d *delivery) countFetch() {
	if e := (*mtasts.Error)(nil); errors.As(d.sts.Err, &e) {
		p := d.stsPolicy()
		p.Type = tlsrpt.STS
		d.countFailure(p, "", tlsrpt.Failure(e.Problem), e.Error())
	}
}

// policy is what a session has to live up to, as reports call it.
func (d *delivery) policy(a assurance) tlsrpt.Policy {
	if a.dane.Requires() {
		return tlsrpt.Policy{Type: tlsrpt.DANE, Domain: a.dane.Host, Strings: strings.Split(a.dane.String(), "\n")}
	}
	return d.stsPolicy()
}

func (d *delivery) stsPolicy() tlsrpt.Policy {
	p := d.sts.Policy
	if p.Mode != mtasts.Enforce && p.Mode != mtasts.Testing {
		return tlsrpt.Policy{Type: tlsrpt.NoPolicy, Domain: d.destination}
	}
	lines := strings.Split(strings.TrimSpace(p.String()), "\n")
	return tlsrpt.Policy{Type: tlsrpt.STS, Domain: d.destination, Strings: lines, Hosts: p.MX}
}

// verify looks at the certificate of a connection that did not depend on it.
func (d *delivery) verify(t *target, client *smtpclient.Client) error {
	chain := client.TLS().PeerCertificates
	o := x509.VerifyOptions{Roots: d.out.o.Roots, DNSName: t.host, Intermediates: x509.NewCertPool()}
	for _, cert := range chain[1:] {
		o.Intermediates.AddCert(cert)
	}
	_, err := chain[0].Verify(o)
	return err
}

// failure is what reports call an error of TLS.
func failure(err error) tlsrpt.Failure {
	var e *smtpclient.Error
	var invalid x509.CertificateInvalidError
	switch {
	case errors.Is(err, smtpclient.ErrNoStartTLS), errors.As(err, &e) && !e.Reply.IsZero():
		return tlsrpt.StartTLSNotSupported
	case errors.As(err, new(x509.HostnameError)):
		return tlsrpt.CertificateHostMismatch
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return tlsrpt.CertificateExpired
	case errors.As(err, &invalid), errors.As(err, new(x509.UnknownAuthorityError)):
		return tlsrpt.CertificateNotTrusted
	}
	return tlsrpt.ValidationFailure
}

// localAddr is our end of a connection.
func localAddr(won dialed) netip.Addr {
	ap, _ := netip.ParseAddrPort(won.nc.LocalAddr().String()) // none of a socket
	return ap.Addr().Unmap()
}
