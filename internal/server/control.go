package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/config"
)

// control is the control socket, on which the command line talks to the server.
type control struct {
	server *http.Server
	served chan struct{}
}

func startControl(c *config.Config, a *admin.Admin, log *slog.Logger) (*control, error) {
	l, err := admin.Listen(c.ControlSocket())
	if err != nil {
		return nil, err
	}
	ctl := &control{
		served: make(chan struct{}),
		server: &http.Server{
			Handler:           a.Handler(),
			ConnContext:       admin.WithPeer,
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
	}
	go func() {
		defer close(ctl.served)
		if err := ctl.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("control socket has failed", "error", err)
		}
	}()
	return ctl, nil
}

// stop lets operations end, or cuts them off when ctx ends.
func (c *control) stop(ctx context.Context) error {
	err := c.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, c.server.Close())
	}
	<-c.served
	return err
}
