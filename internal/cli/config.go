package cli

import (
	"errors"
	"fmt"
	"io"

	"posthorn/internal/certs"
	"posthorn/internal/config"
	"posthorn/internal/server"
)

type configCommand struct {
	Check   configCheck   `cmd:"" help:"Tell all that is wrong with the configuration file."`
	Default configDefault `cmd:"" help:"Print every key with its meaning and its default."`
}

type configCheck struct{}

// checked is what config check says to programs.
type checked struct {
	OK        bool     `json:"ok"`
	File      string   `json:"file"`
	Hostname  string   `json:"hostname,omitempty"`
	Listeners int      `json:"listeners,omitempty"`
	Problems  []string `json:"problems,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

func (c *configCheck) Run(e *environment) error {
	loaded, err := e.loadConfig()
	var troubles []certs.Trouble
	if err == nil {
		troubles, err = server.CheckFiles(loaded)
	}
	if err != nil {
		return e.badConfig(err)
	}
	ok := checked{OK: true, File: e.configFile, Hostname: loaded.Hostname, Listeners: len(loaded.Listeners)}
	for _, t := range troubles {
		ok.Warnings = append(ok.Warnings, t.String())
	}
	return e.print(ok, func(w io.Writer) {
		for _, warning := range ok.Warnings {
			fmt.Fprintln(w, "warning:", warning)
		}
		fmt.Fprintf(w, "%s is good: %s with %s\n", ok.File, ok.Hostname, count(ok.Listeners, "listener", "listeners"))
	})
}

// badConfig tells programs what is wrong; people see the error itself.
func (e *environment) badConfig(err error) error {
	if !e.json {
		return err
	}
	bad := checked{File: e.configFile, Problems: []string{err.Error()}}
	if problems, ok := err.(config.Problems); ok {
		bad.Problems = nil
		for _, p := range problems {
			bad.Problems = append(bad.Problems, p.Error())
		}
	}
	return errors.Join(e.print(bad, nil), told(exitFailed))
}

type configDefault struct{}

func (c *configDefault) Run(e *environment) error { return config.Reference(e.Out) }
