// Package server is the composition root: it turns a configuration into a running
// mail server, and nothing else. Which engine, which protocols on which listeners,
// which limits, which certificate: all of it is put together here, in plain calls,
// and handed down; no package below looks anything up.
//
// The flow of Start: certificates (certificate.go) -> all listening sockets (socket.go) -> no
// more privileges -> engine, bodies, store and
// directory and queue (data.go) -> control socket (control.go) -> a door for each listener (door.go), with its protocol's face
// behind it (face.go) -> the way out of the queue (relay.go, turn.go) -> what goes on in the
// background (maintain.go, memory.go, keys.go) -> "ready". If any step fails, those before it
// are undone and nobody has been served.
//
// Invariants: either every listener of the configuration accepts or none does; a
// reload that fails changes nothing; connections survive a reload; when Shutdown
// returns, no goroutine of the server is left and the store is closed.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"

	"golang.org/x/sync/errgroup"

	"posthorn/internal/admin"
	"posthorn/internal/certs"
	"posthorn/internal/config"
	"posthorn/internal/dns"
	"posthorn/internal/fault"
	"posthorn/internal/inbound"
	"posthorn/internal/login/guard"
	"posthorn/internal/obs/metrics"
	"posthorn/internal/pop3d"
	"posthorn/internal/service"
	"posthorn/internal/wire"
)

// Server is a running mail server.
type Server struct {
	log        *slog.Logger
	data       *Data
	certs      *certs.Set
	keeper     *certs.Keeper
	monitor    *monitor
	control    *control
	resolver   *dns.Resolver
	tempDir    string // for messages that are being checked
	relay      *relay // nil: mail for other servers is refused
	register   *register
	indexing   bool // searches use the index, which is kept up to date
	background []*background
	maildrops  *pop3d.Locks      // one session each, over all listeners
	guard      *guard.Guard      // knows who guesses, over all listeners
	sessions   *wire.Sessions    // of those who are logged in, likewise
	api        func() *admin.API // made when a listener needs it

	mu      sync.Mutex // guards what follows
	config  *config.Config
	clients authorities
	tokens  tokens
	doors   []*door
	retired []*door                        // closed by a reload, but with connections that go on
	past    map[string]metrics.Connections // of doors that are gone, by protocol
	stopped bool
}

// Start starts a server. When it returns without an error, every listener accepts.
func Start(ctx context.Context, c *config.Config, log *slog.Logger) (*Server, error) {
	return StartWith(ctx, c, nil, log)
}

// StartWith is Start with sockets that the service manager has opened. What needs
// privileges comes first: then the server becomes the user of the configuration.
func StartWith(ctx context.Context, c *config.Config, inherited []service.Socket, log *slog.Logger) (*Server, error) {
	files, err := readTLS(c)
	if err != nil {
		return nil, err
	}
	sockets, err := openSockets(ctx, c.Listeners, adopt(c.Listeners, inherited, log))
	if err != nil {
		return nil, err
	}
	s, err := startBehind(ctx, sockets, files, c, log)
	if err != nil {
		for _, socket := range sockets {
			socket.Close()
		}
		return nil, err
	}
	return s, nil
}

// startBehind starts a server whose sockets are open. If it fails, they stay open.
func startBehind(ctx context.Context, sockets []*socket, files tlsFiles, c *config.Config, log *slog.Logger) (*Server, error) {
	if c.Service.User != "" {
		if err := service.Become(c.Service.User, c.Service.Group); err != nil {
			return nil, err
		}
	}
	data, err := OpenData(ctx, c, log)
	if err != nil {
		return nil, err
	}
	s, err := startOn(ctx, data, sockets, files, c, log)
	if err != nil {
		return nil, errors.Join(err, data.Close())
	}
	return s, nil
}

// startOn starts a server on data that is open. If it fails, that stays open.
func startOn(ctx context.Context, data *Data, sockets []*socket, files tlsFiles, c *config.Config, log *slog.Logger) (*Server, error) {
	s := &Server{
		log: log, data: data, certs: data.certs, keeper: data.keeper, config: c, maildrops: pop3d.NewLocks(),
		resolver: data.resolver(), tempDir: c.TempDir(),
		register: newRegister(c.Lists, log), indexing: c.Search.Index, sessions: wire.NewSessions(),
	}
	revoked, err := data.Directory.LastRevocation(ctx)
	if err != nil {
		return nil, err
	}
	s.guard = s.newGuard(c)
	s.useTLS(ctx, files)
	provider, err := readOpenID(c.OpenID)
	if err != nil {
		return nil, err
	}
	s.tokens.use(provider, log)
	if err := data.useDirectories(c); err != nil {
		return nil, err
	}
	places, err := openPlaces(c, nil, log)
	if err != nil {
		return nil, err
	}
	data.places.Store(places)
	if err := data.Abuse.Load(ctx); err != nil {
		return nil, err
	}
	if err := inbound.PrepareTempDir(s.tempDir); err != nil {
		return nil, err
	}
	if s.relay, err = newRelay(c, data, s.resolver, log); err != nil {
		return nil, err
	}
	operations := data.admin(s.send, s.sessions)
	s.api = sync.OnceValue(func() *admin.API { return admin.NewAPI(operations) })
	if s.control, err = startControl(c, operations, log); err != nil {
		return nil, err
	}
	if s.monitor, err = s.startMonitor(ctx, c.Metrics.Address); err != nil {
		s.control.stop(ctx)
		return nil, err
	}
	for i, l := range c.Listeners {
		s.doors = append(s.doors, s.openDoor(sockets[i], s.settings(c, l)))
	}
	s.relay.start()
	s.background = []*background{
		startMaintenance(log, data.removeAccounts, data.Store.Maintain, data.expireMail, data.deleteOldNow, data.tellOfCertificates, data.History.Forget, data.Audit.Forget, s.relay.tidy), startMemory(),
		startKeeper(data.Directory, s.resolver, log), s.register.startWatching(data.refreshPlaces), startBackground(s.certs.Watch), startBackground(data.Bans.Run), startBackground(data.watchAbuse), startBackground(data.watchQuotas), startBackground(s.keeper.Run),
		s.followRevocations(revoked), startBackground(s.endOver),
	}
	if s.indexing {
		s.background = append(s.background, startBackground(data.Index.Run))
	}
	log.Info("ready", "hostname", c.Hostname, "listeners", len(s.doors))
	return s, nil
}

// Address is where a protocol is listened on first; nil if nowhere. It differs
// from the configured one where the system chose the port.
func (s *Server) Address(p config.Protocol) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.doors {
		if d.settings.Listener.Protocol == p {
			return d.socket.Addr()
		}
	}
	return nil
}

// Shutdown ends the server: nothing is accepted any more, sessions finish the
// command they are at, deliveries end, and the store is closed. What is still there
// when ctx ends is cut off, and Shutdown returns its error. A server is shut down once.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return fault.New(fault.Invalid, "server: shut down already")
	}
	s.stopped = true
	doors := append(s.doors, s.retired...)
	s.mu.Unlock()

	var group errgroup.Group
	for _, d := range doors {
		group.Go(func() error { return d.shutdown(ctx) })
	}
	group.Go(func() error { return s.control.stop(ctx) })
	group.Go(func() error { return s.relay.stop(ctx) })
	err := errors.Join(group.Wait(), s.monitor.stop(ctx))
	for _, b := range s.background {
		b.stop()
	}
	return errors.Join(err, s.data.Close())
}
