package server

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"time"

	"posthorn/internal/certs"
	"posthorn/internal/config"
	"posthorn/internal/fault"
)

// tlsFiles are the files that a configuration names for TLS, read.
type tlsFiles struct {
	shown   *certs.Loaded
	clients authorities
}

// authorities are those whose certificates clients are asked for, in PEM, by the file
// that they were read from.
type authorities map[string]string

func readTLS(c *config.Config) (tlsFiles, error) {
	o := certs.Options{Hostname: c.Hostname, Default: certs.File(c.TLS)}
	for _, f := range c.OtherTLS {
		o.Files = append(o.Files, certs.File(f))
	}
	shown, err := certs.Read(o, time.Now())
	failed := []error{err}
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
	return tlsFiles{shown, clients}, nil
}

// useTLS goes over to what readTLS has read.
func (s *Server) useTLS(files tlsFiles) {
	s.certs.Use(files.shown)
	s.clients = files.clients
}

// shown are the certificates that are shown, or would be if a server ran.
func (d *Data) shown(c *config.Config) *certs.Set {
	if len(d.certs.All()) > 0 {
		return d.certs
	}
	set := certs.New(time.Now, slog.New(slog.DiscardHandler))
	if files, err := readTLS(c); err == nil { // whoever starts the server will say what is wrong
		set.Use(files.shown)
	}
	return set
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

// CheckFiles tells whether the files that a configuration names can be used, and what
// is wrong with certificates that can.
func CheckFiles(c *config.Config) (warnings []certs.Trouble, err error) {
	files, err := readTLS(c)
	_, wrong := routes(c.Routes)
	if err := errors.Join(err, wrong); err != nil {
		return nil, err
	}
	set := certs.New(time.Now, slog.New(slog.DiscardHandler))
	set.Use(files.shown)
	return set.Troubles(), nil
}
