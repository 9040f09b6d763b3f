package server

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"posthorn/internal/config"
	"posthorn/internal/openid"
	"posthorn/internal/wire"
)

// door is a listener of the configuration: a socket and the server behind it.
type door struct {
	settings settings
	socket   *socket
	server   *wire.Server
	lease    *lease
	web      *web          // nil: it does not speak HTTP
	served   chan struct{} // closed when nothing is accepted any more
}

// settings are all that a door is made of. Doors with equal settings are the same.
type settings struct {
	Listener   config.Listener
	Limits     config.Limits
	Abuse      config.Abuse
	Allowances []config.Allowance
	Quirks     []config.Quirk
	IMAP       config.IMAPSettings
	Relay      config.Relay
	POP3       config.POP3Settings
	Hostname   string
	TLS        bool
	ClientCAs  string // PEM; "": clients are not asked for certificates
	Challenge  config.Challenge
	Holders    []config.CertificateUser
	Tokens     *openid.Verifier // nil: none are taken
	Provision  bool
}

func (s *Server) settings(c *config.Config, l config.Listener) settings {
	return settings{
		l, c.Limits, c.Abuse, c.Allowances, c.Quirks, c.IMAP, c.Relay, c.POP3, c.Hostname,
		c.OffersTLS(), s.clients[l.ClientCertificates], c.ACME.Challenge, c.CertificateUsers, s.tokens.verifier, c.OpenID.Provision,
	}
}

// openDoor begins to accept on a socket.
func (s *Server) openDoor(socket *socket, set settings) *door {
	d := &door{
		settings: set, socket: socket, lease: socket.lease(), served: make(chan struct{}),
	}
	face := s.face(set)
	if speaksHTTP(set.Listener.Protocol) {
		d.web = s.newWeb(set)
		face.Serve = d.web.serve
	}
	d.server = wire.NewServer(face)
	go func() {
		defer close(d.served)
		if err := d.server.Serve(d.lease); err != nil && !d.lease.ended.Load() {
			s.log.Error("listener has failed", "protocol", set.Listener.Protocol, "address", set.Listener.Address, "error", err)
		}
	}()
	s.log.Info("listening", "protocol", string(set.Listener.Protocol), "address", socket.Addr().String())
	return d
}

// leave stops accepting, and returns when it has stopped. Connections go on.
func (d *door) leave() {
	d.lease.Close()
	<-d.served
	d.web.leave()
}

// isEmpty says that nobody is connected.
func (d *door) isEmpty() bool { return d.server.Stats().Open == 0 }

// shutdown ends the door with its connections. The socket of a retired door may
// have another one behind it by now; it is closed when the last of them shuts down.
func (d *door) shutdown(ctx context.Context) error {
	var group errgroup.Group
	group.Go(func() error { return d.web.stop(ctx) })
	group.Go(func() error { return d.server.Shutdown(ctx) })
	err := group.Wait()
	<-d.served
	return errors.Join(err, d.closeSocket())
}

func (d *door) closeSocket() error {
	if err := d.socket.Close(); err != nil && !isClosed(err) {
		return err
	}
	return nil
}
