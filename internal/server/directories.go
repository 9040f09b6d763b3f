package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"

	"posthorn/internal/config"
	"posthorn/internal/directory"
	"posthorn/internal/directory/ldapsource"
	"posthorn/internal/directory/sqlsource"
	"posthorn/internal/fault"
)

// openDirectories makes the other directories of a configuration. None is asked yet:
// they may be down.
func openDirectories(c *config.Config) (others []*directory.Other, err error) {
	for i := range c.Directories {
		d := &c.Directories[i]
		o := &directory.Other{Name: d.Name, Domains: d.Domains, Remember: d.Remember, Timeout: d.Timeout}
		if err = openDirectory(d, o); err != nil {
			closeDirectories(others)
			return nil, fault.New(fault.Invalid, "directory %s: %w", d.Name, err)
		}
		others = append(others, o)
	}
	return others, nil
}

func openDirectory(d *config.Directory, o *directory.Other) error {
	password := ""
	if d.PasswordFile != "" {
		var err error
		if password, err = firstLine(d.PasswordFile); err != nil {
			return fault.New(fault.Invalid, "password_file: %w", err)
		}
	}
	trust, err := trusted(d.CA)
	if err != nil {
		return err
	}
	if d.Type != config.LDAP {
		source, err := sqlsource.Open(sqlsource.Options{
			Engine: sqlsource.Engine(d.Type), DSN: cmp.Or(d.DSN, d.File), Password: password, TLS: trust,
			Query: d.Query, Parameters: d.Parameters, Connections: d.Connections,
		})
		o.Source = source
		return err
	}
	source, err := ldapsource.Open(ldapsource.Options{
		Servers: d.Servers, StartTLS: d.StartTLS, TLS: trust, BindDN: d.BindDN, Password: password,
		Base: d.Base, Filter: d.Filter, PasswordAttribute: d.PasswordAttribute, Connections: d.Connections,
	})
	if err != nil {
		return err
	}
	if o.Source = source; d.PasswordAttribute == "" {
		o.Binder = source
	}
	return nil
}

// trusted makes the settings of a client of TLS that trusts the authorities in a file;
// nil if there is none.
func trusted(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.New(fault.Invalid, "ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fault.New(fault.Invalid, "ca: there is no certificate in %s", file)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

func closeDirectories(others []*directory.Other) error {
	var all []error
	for _, o := range others {
		all = append(all, o.Source.Close())
	}
	return errors.Join(all...)
}

// useDirectories begins to ask the other directories of a configuration.
func (d *Data) useDirectories(c *config.Config) error {
	others, err := openDirectories(c)
	if err != nil {
		return err
	}
	return closeDirectories(d.Directory.SetSources(others))
}

// prepareDirectories is useDirectories for a command, that works without them, too.
func (d *Data) prepareDirectories(ctx context.Context) {
	if err := d.useDirectories(d.config.Load()); err != nil {
		d.trail.Log.WarnContext(ctx, "other directories are not asked", "error", err)
	}
}
