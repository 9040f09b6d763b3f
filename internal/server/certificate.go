package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"posthorn/internal/certs"
	"posthorn/internal/config"
	"posthorn/internal/dns"
	"posthorn/internal/fault"
	"posthorn/internal/wire"
)

// tlsFiles are the files that a configuration names for TLS, read.
type tlsFiles struct {
	shown   *certs.Loaded
	acme    certs.ACME
	clients authorities
}

// authorities are those whose certificates clients are asked for, in PEM, by the file
// that they were read from.
type authorities map[string]string

func readTLS(c *config.Config) (tlsFiles, error) {
	o := certs.Options{Hostname: c.Hostname, Default: certs.File(c.TLS), SelfSign: c.ACME.Enabled}
	for _, f := range c.OtherTLS {
		o.Files = append(o.Files, certs.File(f))
	}
	shown, err := certs.Read(o, time.Now())
	acme, err2 := readACME(c)
	failed := []error{err, err2}
	clients := authorities{}
	for _, l := range c.Listeners {
		if file := l.ClientCertificates; file != "" {
			clients[file], err = certs.Authorities(file)
			failed = append(failed, err)
		}
	}
	if err := errors.Join(failed...); err != nil {
		return tlsFiles{}, fault.New(fault.Invalid, "%w", err)
	}
	return tlsFiles{shown, acme, clients}, nil
}

// readACME reads what a configuration says about authorities.
func readACME(c *config.Config) (certs.ACME, error) {
	from := c.ACME
	if !from.Enabled {
		return certs.ACME{}, nil
	}
	a := certs.ACME{
		Directory: from.Directory, Email: from.Email, Challenge: certs.Challenge(from.Challenge), DNSWait: from.DNSWait,
		Names: slices.Compact(slices.Sorted(slices.Values(append([]string{strings.ToLower(c.Hostname)}, from.Names...)))),
	}
	if from.CA != "" {
		text, err := certs.Authorities(from.CA)
		if err != nil {
			return a, err
		}
		a.Roots = x509.NewCertPool()
		a.Roots.AppendCertsFromPEM([]byte(text))
	}
	if from.Challenge == config.DNS01 {
		a.DNS = &dns.Updater{Server: from.DNSServer}
		if from.DNSKeyFile != "" {
			key, err := dns.ReadKey(from.DNSKeyFile)
			if err != nil {
				return a, err
			}
			a.DNS.Key = key
		}
	}
	return a, nil
}

// useTLS goes over to what readTLS has read.
func (s *Server) useTLS(ctx context.Context, files tlsFiles) {
	s.data.useTLS(ctx, files)
	s.clients = files.clients
}

// useTLS shows what there is from authorities before anything else is said of it.
func (d *Data) useTLS(ctx context.Context, files tlsFiles) {
	d.keeper.Use(files.acme)
	if err := d.keeper.Load(ctx); err != nil {
		d.trail.Log.WarnContext(ctx, "certificates cannot be read from the store now", "error", err)
	}
	d.certs.Use(files.shown)
}

// prepareTLS reads the certificates that would be shown if a server ran. Who starts it
// will hear what is wrong.
func (d *Data) prepareTLS(ctx context.Context) {
	if files, err := readTLS(d.config.Load()); err == nil && len(d.certs.All()) == 0 {
		d.useTLS(ctx, files)
	}
}

// tls is how TLS is spoken on a listener; nil if it is not.
func (s *Server) tls(set settings) *tls.Config {
	if !set.TLS {
		return nil
	}
	return s.certs.Config(certs.Listener{
		Tickets: set.Listener.Protocol.LogsIn(), ClientCAs: set.ClientCAs, Required: set.Listener.RequireClientCertificates,
	})
}

// acme answers authorities.
func (s *Server) acme(o *wire.Options, set settings) {
	o.TLS, o.ImplicitTLS = nil, false
	o.PreAuthTotal, o.TLSTimeout = acmeTime, acmeTime
	switch set.Challenge {
	case config.TLSALPN01:
		o.TLS, o.ImplicitTLS = s.keeper.ChallengeTLS(), true
		o.Serve = func(context.Context, *wire.Conn) {} // the handshake has said it all
	default:
		o.Serve = s.keeper.ServeHTTP01
	}
}

// acmeTime is how long an authority may take for its question.
const acmeTime = 15 * time.Second

// CheckFiles tells whether the files that a configuration names can be used, and what
// is wrong with certificates that can.
func CheckFiles(c *config.Config) (warnings []certs.Trouble, err error) {
	files, err := readTLS(c)
	_, wrong := routes(c.Routes)
	_, unusable := readOpenID(c.OpenID)
	others, unknown := openDirectories(c)
	closeDirectories(others)
	if err := errors.Join(err, wrong, unusable, unknown); err != nil {
		return nil, err
	}
	set := certs.New(time.Now, slog.New(slog.DiscardHandler))
	set.Use(files.shown)
	return set.Troubles(), nil
}
