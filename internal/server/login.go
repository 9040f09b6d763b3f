package server

import (
	"crypto/x509"
	"log/slog"
	"os"
	"strings"

	"posthorn/internal/config"
	"posthorn/internal/fault"
	"posthorn/internal/login"
	"posthorn/internal/openid"
)

// gate is where users come in on a listener.
func (s *Server) gate(set settings) *login.Gate {
	l := set.Listener
	o := login.Options{
		Directory: s.data.Directory, Hostname: set.Hostname, InClear: l.PlaintextAuth || l.Protocol == config.HTTP,
		Only: l.Mechanisms, Without: l.WithoutMechanisms,
		Certificates: l.ClientCertificates != "", Holders: holders(set.Holders), Shown: s.certs.Shown,
		History: s.data.metrics.Counts, Recorder: logins{s.data.Audit}, Guard: s.guard, Room: s.room(set),
	}
	if set.Tokens != nil {
		o.Tokens, o.Provision = set.Tokens, set.Provision
	}
	return login.New(o)
}

// holders are the addresses that certificates stand for.
func holders(users []config.CertificateUser) map[string]string {
	all := map[string]string{}
	for _, u := range users {
		all[u.Subject+u.SHA256] = u.Account // one of them
	}
	return all
}

// tokens verifies the tokens of the provider in a configuration.
type tokens struct {
	made     provider
	verifier *openid.Verifier // nil: there is none
}

// provider is what a configuration says of it, with what is in the files.
type provider struct {
	config.OpenID
	secret, ca string
}

// readOpenID reads the files of a configuration.
func readOpenID(o config.OpenID) (p provider, err error) {
	p.OpenID = o
	if o.Issuer == "" {
		return p, nil
	}
	for key, file := range map[string]struct {
		name string
		text *string
	}{"client_secret_file": {o.ClientSecretFile, &p.secret}, "ca": {o.CA, &p.ca}} {
		if file.name == "" {
			continue
		}
		text, err := os.ReadFile(file.name)
		if err != nil {
			return p, fault.New(fault.Invalid, "openid.%s: %w", key, err)
		}
		*file.text = string(text)
	}
	p.secret, _, _ = strings.Cut(p.secret, "\n")
	p.secret = strings.TrimSpace(p.secret)
	switch {
	case o.ClientSecretFile != "" && p.secret == "":
		return p, fault.New(fault.Invalid, "openid.client_secret_file: %s is empty", o.ClientSecretFile)
	case o.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(p.ca)):
		return p, fault.New(fault.Invalid, "openid.ca: there is no certificate in %s", o.CA)
	}
	return p, nil
}

// use goes over to another provider. One that stays the same keeps what is known of it.
func (t *tokens) use(p provider, log *slog.Logger) {
	if p == t.made {
		return
	}
	t.made, t.verifier = p, nil
	if p.Issuer == "" {
		return
	}
	o := openid.Options{
		Issuer: p.Issuer, Audience: p.Audience, Scope: p.Scope, Claim: p.Claim,
		Introspect: p.Introspect, ClientID: p.ClientID, ClientSecret: p.secret, Log: log,
	}
	if p.ca != "" {
		o.Roots = x509.NewCertPool()
		o.Roots.AppendCertsFromPEM([]byte(p.ca))
	}
	t.verifier = openid.New(o)
}
