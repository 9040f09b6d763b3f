package server

import (
	"bufio"
	"cmp"
	"errors"
	"os"
	"strings"

	"posthorn/internal/config"
	"posthorn/internal/fault"
	"posthorn/internal/outbound"
	"posthorn/internal/smtpclient"
)

// routes are those of a configuration, with the passwords from their files.
func routes(all []config.Route) ([]outbound.Route, error) {
	var ways []outbound.Route
	var failed []error
	for i := range all {
		way, err := route(&all[i])
		ways, failed = append(ways, way), append(failed, err)
	}
	return ways, errors.Join(failed...)
}

// wayTo is a route as far as it says which destinations it is for.
func wayTo(r *config.Route) outbound.Route {
	return outbound.Route{Name: cmp.Or(r.Name, strings.Join(r.Domains, " ")), Domains: r.Domains}
}

func route(r *config.Route) (outbound.Route, error) {
	way := wayTo(r)
	way.Hosts, way.ImplicitTLS, way.PlaintextAuth, way.Hostname, way.Source = r.Hosts, r.ImplicitTLS, r.PlaintextAuth, r.Hostname, r.Source
	switch r.Transport {
	case config.SmartHost:
		way.Transport = outbound.SmartHost
	case config.ByLMTP:
		way.Transport = outbound.LMTP
	case config.ByMX:
		way.Transport = outbound.ByMX
	case config.Discard:
		way.Transport = outbound.Discard
	}
	switch r.TLS {
	case config.Opportunistic:
		way.TLS = smtpclient.TLSOpportunistic
	case config.Required:
		way.TLS = smtpclient.TLSRequired
	case config.Verified:
		way.TLS = smtpclient.TLSVerified
	case config.Never:
		way.TLS = smtpclient.TLSNever
	}
	if r.User == "" {
		return way, nil
	}
	password, err := firstLine(r.PasswordFile)
	if err != nil {
		return way, fault.New(fault.Invalid, "route %s: %w", way.Name, err)
	}
	way.Auth = &smtpclient.Credentials{User: r.User, Password: password}
	return way, nil
}

// firstLine reads a password.
func firstLine(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err // names the file
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	if !lines.Scan() || lines.Text() == "" {
		return "", errors.Join(fault.New(fault.Invalid, "%s: there is no password in its first line", file), lines.Err())
	}
	return lines.Text(), nil
}
