package server

import (
	"context"
	"errors"
	"net"
	"reflect"
	"slices"

	"posthorn/internal/config"
	"posthorn/internal/fault"
)

// Reload goes over to another configuration: the certificate is read again, limits,
// listeners, name servers, routes and the queue's patience change. If anything in it cannot be done, everything stays as it
// is. Connections that are open go on under the rules they began with. Where mail is
// kept, and the format of the log, can only change with a restart.
func (s *Server) Reload(ctx context.Context, c *config.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return fault.New(fault.Unavailable, "server: shutting down")
	}
	files, err := readTLS(c)
	if err != nil {
		return err
	}
	provider, err := readOpenID(c.OpenID)
	if err != nil {
		return err
	}
	out, err := s.relay.outbound(c)
	if err != nil {
		return err
	}
	kept := s.keptDoors(c.Listeners)
	open := make(map[int]*socket, len(kept))
	for i, d := range kept {
		open[i] = d.socket
	}
	others, err := openDirectories(c)
	if err != nil {
		return err
	}
	places, err := openPlaces(c, s.data.places.Load(), s.log)
	if err != nil {
		return errors.Join(err, closeDirectories(others))
	}
	sockets, err := openSockets(ctx, c.Listeners, open)
	if err != nil {
		return errors.Join(err, closeDirectories(others))
	}
	// From here on nothing fails.
	s.useTLS(ctx, files)
	s.tokens.use(provider, s.log)
	if err := closeDirectories(s.data.Directory.SetSources(others)); err != nil {
		s.log.Warn("closing directories failed", "error", err)
	}
	s.warnOfRestart(c)
	s.data.places.Store(places)
	s.data.Queue.Change(queueSettings(c))
	s.data.History.SetDays(c.History.Days)
	s.data.Audit.SetDays(c.Audit.Days)
	s.resolver.Set(resolverOptions(c.DNS, s.log))
	s.register.use(c.Lists)
	s.relay.exchange(out)
	s.relay.setReports(c)
	s.guard.Use(guarded(c))
	s.exchangeDoors(c, sockets, kept)
	c.DataDir, c.Store, c.Blob, c.Queue.Enabled = s.config.DataDir, s.config.Store, s.config.Blob, s.config.Queue.Enabled
	s.config = c
	s.data.config.Store(c)
	s.log.Info("reloaded", "listeners", len(s.doors))
	return nil
}

// keptDoors finds the doors whose addresses stay, by the place of their listener
// in the new configuration.
func (s *Server) keptDoors(listeners []config.Listener) map[int]*door {
	kept := make(map[int]*door)
	left := slices.Clone(s.doors)
	for i, l := range listeners {
		j := slices.IndexFunc(left, func(d *door) bool {
			return d.settings.Listener.Address == l.Address
		})
		if j >= 0 {
			kept[i] = left[j]
			left = slices.Delete(left, j, j+1)
		}
	}
	return kept
}

// exchangeDoors replaces the doors by those of a new configuration. Doors whose
// settings stay are left alone.
func (s *Server) exchangeDoors(c *config.Config, sockets []*socket, kept map[int]*door) {
	old := s.doors
	s.doors = nil
	for i, l := range c.Listeners {
		set := s.settings(c, l)
		d := kept[i]
		switch {
		case d == nil:
			d = s.openDoor(sockets[i], set)
		case !reflect.DeepEqual(d.settings, set):
			d.leave()
			if err := d.socket.renew(); err != nil { // the socket is broken; Serve will say so, too
				s.log.Error("listener has failed", "address", l.Address, "error", err)
			}
			d = s.openDoor(sockets[i], set)
		}
		s.doors = append(s.doors, d)
	}
	for _, d := range old {
		if !slices.Contains(s.doors, d) {
			s.retire(d, sockets)
		}
	}
	s.retired = slices.DeleteFunc(s.retired, func(d *door) bool {
		if !d.isEmpty() {
			return false
		}
		s.forget(d)
		_ = d.web.stop(context.Background()) // with nobody there it is done at once
		return true
	})
}

// retire keeps the connections of a door that is not in the configuration any more.
func (s *Server) retire(d *door, inUse []*socket) {
	d.leave()
	if !slices.Contains(inUse, d.socket) {
		if err := d.closeSocket(); err != nil {
			s.log.Error("closing a listener failed", "error", err)
		}
		s.log.Info("no longer listening", "protocol", string(d.settings.Listener.Protocol), "address", d.settings.Listener.Address)
	}
	s.retired = append(s.retired, d)
}

// warnOfRestart names what a reload cannot change.
func (s *Server) warnOfRestart(c *config.Config) {
	for key, changed := range map[string]bool{
		"data_dir":      c.DataDir != s.config.DataDir,
		"store":         c.Store != s.config.Store,
		"blob":          c.Blob != s.config.Blob,
		"queue.enabled": c.Queue.Enabled != s.config.Queue.Enabled,
		"metrics":       c.Metrics != s.config.Metrics,
		"service":       c.Service != s.config.Service,
		"audit.file":    c.Audit.File != s.config.Audit.File,
		"audit.syslog":  c.Audit.Syslog != s.config.Audit.Syslog,
		"log.format":    c.Log.Format != s.config.Log.Format,
	} {
		if changed {
			s.log.Warn("change takes effect after a restart only", "key", key)
		}
	}
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
