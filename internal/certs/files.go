package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"posthorn/internal/fault"
)

// File names a certificate with its chain, and its key; both PEM.
type File struct{ Certificate, Key string }

// Options say which certificates a configuration wants.
type Options struct {
	Hostname string // of the server: whoever asks for no name gets the certificate for it
	Default  File   // for all names that no other is for; may be empty
	Files    []File // for the names that are in them
	// SelfSign makes a certificate that signs itself if there is no Default, so that
	// TLS can be spoken until an authority has issued one.
	SelfSign bool
}

// Loaded are certificates as a configuration wants them, ready for use.
type Loaded struct {
	options  Options
	fallback []Certificate // of Default, or made; at most one
	named    []Certificate // of Files
	versions []version     // of the files, from before they were read
}

// Read reads the files. Kind of its errors: Invalid; they name the file.
func Read(o Options, now time.Time) (*Loaded, error) {
	l := &Loaded{options: o, versions: versions(o)}
	var failed []error
	for _, f := range o.Files {
		c, err := f.read()
		failed = append(failed, err)
		l.named = append(l.named, c)
	}
	switch {
	case o.Default.Certificate != "":
		c, err := o.Default.read()
		failed = append(failed, err)
		l.fallback = []Certificate{c}
	case o.SelfSign:
		c, err := selfSigned(now, o.Hostname)
		failed = append(failed, err)
		l.fallback = []Certificate{c}
	}
	if err := errors.Join(failed...); err != nil {
		return nil, fault.New(fault.Invalid, "%w", err)
	}
	return l, nil
}

func (f File) read() (Certificate, error) {
	pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	var unreadable *fs.PathError
	if errors.As(err, &unreadable) { // names the file
		return Certificate{}, fault.New(fault.Invalid, "tls: %w", err)
	}
	if err != nil {
		return Certificate{}, fault.New(fault.Invalid, "tls: certificate %s, key %s: %w", f.Certificate, f.Key, err)
	}
	return Certificate{&pair, FromFile, f.Certificate}, nil
}

// selfSigned makes a certificate that lives in memory.
func selfSigned(now time.Time, hostname string) (Certificate, error) {
	certificate, key, err := SelfSign(now, hostname)
	if err != nil {
		return Certificate{}, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return Certificate{}, fault.New(fault.Internal, "certs: %w", err)
	}
	return Certificate{&pair, SelfSigned, ""}, nil
}

// Authorities reads the authorities whose certificates clients may show, as PEM.
// Kind of its errors: Invalid.
func Authorities(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fault.New(fault.Invalid, "tls: %w", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return "", fault.New(fault.Invalid, "tls: %s has no certificate of an authority in it; want PEM", file)
	}
	return string(text), nil
}

// Names are those that a certificate is for.
func (c Certificate) Names() []string {
	all := slices.Clone(c.Leaf.DNSNames)
	for _, ip := range c.Leaf.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}
