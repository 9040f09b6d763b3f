package cli

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/certs"
	"posthorn/internal/config"
	"posthorn/internal/fault"
	"posthorn/internal/server"
)

// The files of a server's folder.
const (
	configName      = "posthorn.toml"
	certificateName = "cert.pem"
	keyName         = "key.pem"
	dataName        = "data"
)

// setup is a new server to be made in a folder.
type setup struct {
	dir, domain, hostname string
	bind                  string // "": all addresses
	port                  func(config.Protocol) int
	plaintextAuth         bool
	isolated              bool // mail for other servers is refused
	exempt                []netip.Prefix
	dsn                   string // of PostgreSQL; "": the embedded store
	log                   *slog.Logger
}

// create makes the folder, the certificate, the configuration and the store with
// its first domain, and returns the configuration as it is read from its file. It
// overwrites nothing, and when it fails, it leaves nothing behind.
func (s setup) create(ctx context.Context) (c *config.Config, err error) {
	if err := s.mustBeNew(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.remove())
		}
	}()
	if err := s.writeCertificate(); err != nil {
		return nil, err
	}
	if err := s.writeConfig(); err != nil {
		return nil, err
	}
	if c, err = config.Load(filepath.Join(s.dir, configName)); err != nil {
		return nil, err
	}
	return c, s.makeStore(ctx, c)
}

func (s setup) mustBeNew() error {
	var there []string
	for _, name := range []string{configName, certificateName, keyName, dataName} {
		if _, err := os.Lstat(filepath.Join(s.dir, name)); !errors.Is(err, fs.ErrNotExist) {
			there = append(there, name)
		}
	}
	if len(there) > 0 {
		return fault.New(fault.Exists, "%s has %s already; nothing is ever overwritten, so choose another folder", s.dir, strings.Join(there, ", "))
	}
	return nil
}

// remove takes back what create has made.
func (s setup) remove() error {
	var failed []error
	for _, name := range []string{configName, certificateName, keyName, dataName} {
		failed = append(failed, os.RemoveAll(filepath.Join(s.dir, name)))
	}
	return errors.Join(failed...)
}

func (s setup) writeCertificate() error {
	hosts := []string{s.hostname}
	if ip, err := netip.ParseAddr(s.bind); err == nil && ip.IsLoopback() {
		hosts = append(hosts, "localhost", s.bind) // how programs on this machine will call it
	}
	certificate, key, err := certs.SelfSign(time.Now(), hosts...)
	if err != nil {
		return err
	}
	if err := s.writeNew(certificateName, certificate, 0o644); err != nil {
		return err
	}
	return s.writeNew(keyName, key, 0o600)
}

func (s setup) writeConfig() error {
	var text strings.Builder
	if err := config.Write(&text, s.config()); err != nil {
		return err
	}
	return s.writeNew(configName, []byte(text.String()), 0o644)
}

func (s setup) config() config.Config {
	c := config.Default()
	c.Hostname = s.hostname
	c.TLS = config.TLS{Certificate: certificateName, Key: keyName}
	c.Limits.Exempt, c.Queue.Enabled = s.exempt, !s.isolated
	if s.dsn != "" {
		c.Store = config.Store{Engine: config.Postgres, DSN: s.dsn}
	}
	for _, p := range config.Protocols() {
		c.Listeners = append(c.Listeners, s.listener(p))
	}
	return c
}

func (s setup) listener(p config.Protocol) config.Listener {
	host := s.bind
	if p == config.LMTP {
		host = "127.0.0.1" // trusts its peers, so it is never for everybody
	}
	return config.Listener{
		Protocol:      p,
		Address:       net.JoinHostPort(host, strconv.Itoa(s.port(p))),
		PlaintextAuth: s.plaintextAuth && p.LogsIn(),
	}
}

// writeNew writes a file that is not there yet.
func (s setup) writeNew(name string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(filepath.Join(s.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

func (s setup) makeStore(ctx context.Context, c *config.Config) error {
	data, err := server.OpenData(ctx, c, s.log)
	if err != nil {
		return err
	}
	_, err = data.Directory.AddDomain(ctx, s.domain)
	if fault.Is(err, fault.Exists) { // another server on the same PostgreSQL has it
		err = nil
	}
	if err == nil {
		_, err = data.Directory.EnsureKeys(ctx, s.domain)
	}
	return errors.Join(err, data.Close())
}
