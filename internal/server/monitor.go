package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// healthTime is how long the store may take to answer before it counts as not there.
const healthTime = 5 * time.Second

// monitor answers those who watch the server: /healthz, /readyz, /metrics.
type monitor struct {
	server *http.Server
	served chan struct{}
	at     net.Addr
}

// startMonitor begins to answer; without an address nobody does, and it is nil.
func (s *Server) startMonitor(ctx context.Context, address string) (*monitor, error) {
	if address == "" {
		return nil, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "metrics.address: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Healthy(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ready\n")
	})
	mux.Handle("GET /metrics", s.data.metrics.Handler(s.sources(version())))
	m := &monitor{served: make(chan struct{}), at: l.Addr(), server: &http.Server{
		Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}}
	go func() {
		defer close(m.served)
		if err := m.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the monitors' listener has failed", "error", err)
		}
	}()
	s.log.Info("listening", "protocol", "metrics", "address", l.Addr().String())
	return m, nil
}

func (m *monitor) stop(ctx context.Context) error {
	if m == nil {
		return nil
	}
	err := m.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, m.server.Close())
	}
	<-m.served
	return err
}

// Healthy says why the server should get no new connections, if it should not: it is
// ending, or its store does not answer. Kind: Unavailable.
func (s *Server) Healthy(ctx context.Context) error {
	s.mu.Lock()
	stopped := s.stopped
	s.mu.Unlock()
	if stopped {
		return fault.New(fault.Unavailable, "server: shutting down")
	}
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	err := s.data.engine.View(ctx, "health", func(r kv.Reader) error {
		_, _, err := r.Get([]byte("health"))
		return err
	})
	if err != nil {
		return fault.New(fault.Unavailable, "server: the store does not answer: %w", err)
	}
	return nil
}

// version is that of this program.
func version() string {
	if build, ok := debug.ReadBuildInfo(); ok && build.Main.Version != "" {
		return build.Main.Version
	}
	return "development"
}
