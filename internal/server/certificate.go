package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"

	"posthorn/internal/config"
	"posthorn/internal/fault"
)

// certificate is the one certificate of all listeners. It can be exchanged while
// handshakes are under way.
type certificate struct {
	current atomic.Pointer[tls.Certificate] // nil: TLS is not offered
}

// loadCertificate reads the certificate from its files.
func loadCertificate(files config.TLS, hostname string, log *slog.Logger) (*certificate, error) {
	c := &certificate{}
	loaded, err := readCertificate(files)
	if err != nil {
		return nil, err
	}
	c.current.Store(loaded)
	warnOfCertificate(loaded, hostname, log)
	return c, nil
}

func readCertificate(files config.TLS) (*tls.Certificate, error) {
	if !files.Offered() {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	var unreadable *fs.PathError
	if errors.As(err, &unreadable) { // names the file
		return nil, fault.New(fault.Invalid, "tls: %w", err)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "tls: certificate %s, key %s: %w", files.Certificate, files.Key, err)
	}
	return &pair, nil
}

// warnOfCertificate tells what is wrong with a certificate that clients will not
// like, but that can be used.
func warnOfCertificate(c *tls.Certificate, hostname string, log *slog.Logger) {
	if c == nil {
		return
	}
	if now := time.Now(); now.After(c.Leaf.NotAfter) || now.Before(c.Leaf.NotBefore) {
		log.Warn("certificate is not valid now", "from", c.Leaf.NotBefore, "until", c.Leaf.NotAfter)
	}
	if err := c.Leaf.VerifyHostname(hostname); err != nil {
		log.Warn("certificate is not for this host", "hostname", hostname, "for", names(c.Leaf))
	}
}

func names(leaf *x509.Certificate) []string {
	all := append([]string(nil), leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

// config is how TLS is spoken on a listener; nil if it is not.
func (c *certificate) config(p config.Protocol) *tls.Config {
	if c.current.Load() == nil {
		return nil
	}
	return &tls.Config{
		// RFC 8996: nothing older. Suites and curves are Go's choice, which is
		// kept up to date.
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
		// Servers that send mail keep tickets for long and offer them to whoever
		// answers; programs of users gain from coming back quickly.
		SessionTicketsDisabled: !p.LogsIn(),
	}
}

// CheckFiles tells whether the files that a configuration names can be used.
func CheckFiles(c *config.Config) error {
	_, err := readCertificate(c.TLS)
	_, wrong := routes(c.Routes)
	return errors.Join(err, wrong)
}
