package cli

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"

	"posthorn/internal/addr"
	"posthorn/internal/config"
	"posthorn/internal/fault"
	"posthorn/internal/obs"
)

type initCommand struct {
	Dir           string   `help:"The server's folder; it is made if need be." required:"" placeholder:"DIR"`
	Domain        string   `help:"The first domain whose mail is taken." required:"" placeholder:"DOMAIN"`
	Hostname      string   `help:"The full name of this machine. Default: mail.DOMAIN." placeholder:"NAME"`
	Bind          string   `help:"The IP address to listen on. Default: all of them with standard ports, 127.0.0.1 with high ones." placeholder:"IP"`
	Ports         string   `help:"standard ports (25, 143, ...) or high ones (2525, 2143, ...) that need no privileges." enum:"standard,high" default:"standard" placeholder:"standard|high"`
	PlaintextAuth bool     `help:"Allow passwords without TLS; for tests and closed networks only."`
	Exempt        []string `help:"Networks that limits never apply to." placeholder:"NETWORK"`
	DSN           string   `name:"dsn" help:"Keep mail in this PostgreSQL database instead of the embedded store." placeholder:"URL"`
}

// Help is shown below the summary.
func (c *initCommand) Help() string {
	return "Writes DIR/posthorn.toml, a self-signed certificate and an empty store. Nothing is ever overwritten."
}

// made is what init says to programs.
type made struct {
	Config    string            `json:"config"`
	Domain    string            `json:"domain"`
	Hostname  string            `json:"hostname"`
	Listeners map[string]string `json:"listeners"`
}

func (c *initCommand) Run(e *environment) error {
	s, err := c.setup(e)
	if err != nil {
		return err
	}
	loaded, err := s.create(e.ctx)
	if err != nil {
		return err
	}
	result := made{Config: filepath.Join(s.dir, configName), Domain: s.domain, Hostname: s.hostname, Listeners: map[string]string{}}
	for _, l := range loaded.Listeners {
		result.Listeners[string(l.Protocol)] = l.Address
	}
	return e.print(result, func(w io.Writer) {
		fmt.Fprintf(w, "made %s: %s for %s, with a self-signed certificate\n", result.Config, s.hostname, s.domain)
		fmt.Fprintf(w, "\nNext:\n")
		fmt.Fprintf(w, "  posthorn account add you@%s --config %s\n", s.domain, result.Config)
		fmt.Fprintf(w, "  posthorn serve --config %s\n", result.Config)
	})
}

func (c *initCommand) setup(e *environment) (setup, error) {
	s := setup{
		dir: c.Dir, hostname: c.Hostname, bind: c.Bind, dsn: c.DSN, plaintextAuth: c.PlaintextAuth,
		port: config.Protocol.Port, log: obs.NewLogger(e.Err, obs.LogText, slog.LevelWarn),
	}
	if c.Ports == "high" {
		s.port = config.Protocol.HighPort
		s.bind = or(s.bind, "127.0.0.1")
	}
	var err error
	if s.domain, err = addr.CanonicalDomain(c.Domain); err != nil {
		return setup{}, err
	}
	s.hostname = or(s.hostname, "mail."+s.domain)
	if _, err := netip.ParseAddr(s.bind); s.bind != "" && err != nil {
		return setup{}, fault.New(fault.Invalid, "--bind: %q is not an IP address; want 127.0.0.1, 0.0.0.0 or ::1", s.bind)
	}
	for _, network := range c.Exempt {
		prefix, err := netip.ParsePrefix(network)
		if err != nil {
			return setup{}, fault.New(fault.Invalid, "--exempt: %q is not a network; want 127.0.0.0/8", network)
		}
		s.exempt = append(s.exempt, prefix)
	}
	return s, nil
}
