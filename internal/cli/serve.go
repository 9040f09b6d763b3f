package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"posthorn/internal/config"
	"posthorn/internal/fault"
	"posthorn/internal/obs"
	"posthorn/internal/server"
	"posthorn/internal/service"
)

// drainTime is how long sessions have to finish what they are at.
const drainTime = 30 * time.Second

type serveCommand struct {
	PIDFile string `name:"pid-file" help:"Write the process's number to a file once it serves." placeholder:"FILE"`
}

// Help is shown below the summary.
func (c *serveCommand) Help() string {
	return "Logs to standard error, and logs \"ready\" once every listener accepts. SIGTERM ends the server when its sessions have " +
		"finished what they are at (a second one at once); SIGHUP reads the configuration and the certificate again."
}

func (c *serveCommand) Run(e *environment) error {
	loaded, err := e.loadConfig()
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(loaded.Log.Level)
	lines := obs.NewLines(e.Err)
	defer func() { _ = lines.Flush() }() // there is nowhere to tell that the log fails
	log := obs.NewLogger(lines, obs.LogFormat(loaded.Log.Format), level)

	// From here on signals are ours, so that none falls into the start.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)

	manager := service.FindManager()
	inherited, err := service.Sockets()
	if err != nil {
		return err
	}
	running, err := server.StartWith(e.ctx, loaded, inherited, log)
	if err != nil {
		return err
	}
	removePID, err := writePID(c.PIDFile)
	if err != nil {
		return errors.Join(err, running.Shutdown(e.ctx))
	}
	defer removePID()

	if os.Getuid() == 0 {
		log.Warn("the server runs as root; [service] user names whom it becomes once its ports are open")
	}
	s := serving{e, running, log, level, signals, manager}
	s.tell(service.Ready, service.Status("serving "+loaded.Hostname))
	s.untilTold()
	s.tell(service.Stopping)
	return s.drain()
}

// serving is a server and what it is told from outside.
type serving struct {
	*environment
	server  *server.Server
	log     *slog.Logger
	level   *slog.LevelVar
	signals <-chan os.Signal
	manager service.Manager
}

// tell tells the service manager, if there is one.
func (s *serving) tell(states ...string) {
	if err := s.manager.Tell(states...); err != nil {
		s.log.Warn("the service manager does not listen", "error", err)
	}
}

// alive tells the service manager that the server works. He ends one that does not say so
// in time, and starts it again.
func (s *serving) alive() {
	if err := s.server.Healthy(s.ctx); err != nil {
		s.log.Error("the server is not well, and the service manager is not told that it is", "error", err)
		return
	}
	s.tell(service.Alive)
}

// untilTold reloads when asked to and returns when the server is to end.
func (s *serving) untilTold() {
	var watchdog <-chan time.Time
	if every := s.manager.Watchdog(); every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		watchdog = ticker.C
	}
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-watchdog:
			s.alive()
		case sig := <-s.signals:
			if sig != syscall.SIGHUP {
				s.log.Info("shutting down", "signal", sig.String(), "patience", drainTime)
				return
			}
			s.tell(service.Reloading)
			s.reload()
			s.tell(service.Ready)
		}
	}
}

func (s *serving) reload() {
	loaded, err := s.loadConfig()
	if err == nil {
		err = s.server.Reload(s.ctx, loaded)
	}
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			s.log.Error("not reloaded", "error", p.Error())
		}
	case err != nil:
		s.log.Error("not reloaded", "error", err)
	default:
		s.level.Set(loaded.Log.Level)
	}
}

// drain ends the server, at the latest after drainTime or at the next signal.
func (s *serving) drain() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), drainTime)
	defer cancel()
	done := make(chan error)
	go func() { done <- s.server.Shutdown(ctx) }()
	for {
		select {
		case err := <-done:
			if errors.Is(err, ctx.Err()) && ctx.Err() != nil {
				s.log.Warn("sessions were cut off")
				err = nil
			}
			s.log.Info("stopped")
			return err
		case sig := <-s.signals:
			if sig != syscall.SIGHUP {
				cancel()
			}
		}
	}
}

// writePID writes the process's number to a file; remove takes that back.
func writePID(file string) (remove func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	// Whoever waits for the file never sees half of it.
	temporary := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".new")
	if err := os.WriteFile(temporary, fmt.Appendln(nil, os.Getpid()), 0o644); err != nil {
		return nil, fault.New(fault.Unavailable, "--pid-file: %w", err)
	}
	if err := os.Rename(temporary, file); err != nil {
		return nil, fault.New(fault.Unavailable, "--pid-file: %w", err)
	}
	return func() { os.Remove(file) }, nil
}
