package server

import (
	"context"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/obs/metrics"
	"posthorn/internal/wire"
)

// timed is an engine that tells how long its commits take.
type timed struct {
	kv.Engine
	took func(time.Duration)
}

// Update is that of the engine.
func (t timed) Update(ctx context.Context, shards []kv.Shard, fn func(kv.Tx) error) error {
	start := time.Now()
	err := t.Engine.Update(ctx, shards, fn)
	t.took(time.Since(start))
	return err
}

// sources are where a monitor's figures come from.
func (s *Server) sources(version string) metrics.Sources {
	return metrics.Sources{Version: version, Connections: s.connections, Queue: s.queued, Certificates: s.expiries}
}

// connections counts those of all doors, also of such that are gone.
func (s *Server) connections() map[string]metrics.Connections {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]metrics.Connections)
	for protocol, c := range s.past {
		all[protocol] = c
	}
	for _, doors := range [][]*door{s.doors, s.retired} {
		for _, d := range doors {
			protocol := string(d.settings.Listener.Protocol)
			all[protocol] = plus(all[protocol], d.server.Stats())
		}
	}
	return all
}

func plus(c metrics.Connections, s wire.Stats) metrics.Connections {
	c.Open += int64(s.Open)
	c.Asleep += s.Asleep
	c.Accepted += s.Accepted
	c.Refused += s.Refused
	c.HandshakesFailed += s.HandshakesFailed
	c.Panics += s.Panics
	c.LoggedIn += s.LoggedIn
	return c
}

// forget drops a door that nobody is behind any more, and keeps its counts: what is
// counted since the start must not become less.
func (s *Server) forget(d *door) {
	if s.past == nil {
		s.past = make(map[string]metrics.Connections)
	}
	protocol := string(d.settings.Listener.Protocol)
	s.past[protocol] = plus(s.past[protocol], d.server.Stats())
}

func (s *Server) queued() metrics.Queue {
	var q metrics.Queue
	for _, d := range s.data.Queue.Destinations() {
		q.Active += d.Active
		q.Due += d.Ready
		q.Waiting += d.Messages - d.Ready - d.Active
	}
	return q
}

func (s *Server) expiries() []metrics.Certificate {
	var all []metrics.Certificate
	for _, c := range s.certs.All() {
		for _, name := range c.Names() {
			all = append(all, metrics.Certificate{Name: name, Source: string(c.Source), Until: c.Leaf.NotAfter})
		}
	}
	return all
}
