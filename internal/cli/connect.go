package cli

import (
	"errors"
	"log/slog"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/fault"
	"posthorn/internal/obs"
	"posthorn/internal/server"
)

// patience is how long a command waits while somebody else has the store open who
// does not answer: a server that is about to be ready, or another command.
const patience = 10 * time.Second

// operate runs fn with a client of the server that --server names, or of the one that
// runs here; or, when none runs, with
// one of the store, which is opened for the moment.
func (e *environment) operate(fn func(*admin.Client) error) error {
	if e.remote.Server != "" {
		client, err := e.remote.dial(e)
		if err != nil {
			return err
		}
		defer client.Close()
		return fn(client)
	}
	c, err := e.loadConfig()
	if err != nil {
		return err
	}
	return e.operateOn(c, fn)
}

func (e *environment) operateOn(c *config.Config, fn func(*admin.Client) error) error {
	deadline := time.Now().Add(patience)
	for {
		client, err := admin.Dial(e.ctx, c.ControlSocket())
		if err == nil {
			defer client.Close()
			return fn(client)
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
		data, err := server.OpenData(e.ctx, c, obs.NewLogger(e.Err, obs.LogText, slog.LevelWarn))
		switch {
		case err == nil:
			return errors.Join(fn(admin.Local(data.Admin(e.ctx))), data.Close())
		case !fault.Is(err, fault.InUse):
			return err
		case time.Now().After(deadline):
			return fault.New(fault.InUse, "the store is in use, but no server answers on %s: %w", c.ControlSocket(), err)
		}
		select {
		case <-e.ctx.Done():
			return e.ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// call asks for one operation.
func call[Request, Response any](e *environment, op admin.Operation[Request, Response], r Request) (response Response, err error) {
	err = e.operate(func(c *admin.Client) (err error) {
		response, err = op.Call(e.ctx, c, r)
		return err
	})
	return response, err
}
