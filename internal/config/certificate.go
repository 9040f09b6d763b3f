package config

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// acme is the table about certificates that come by themselves.
func (c *Config) acme() table {
	a := &c.ACME
	return table{"acme", "Certificates that an authority issues and renews by itself (RFC 8555), like Let's Encrypt.", []field{
		{name: "enabled", value: boolean(&a.Enabled), doc: "Ask for certificates. With it you agree to the authority's terms of service."},
		{
			name: "email", value: text(&a.Email, isAddress), example: `"postmaster@example.test"`,
			doc: "Where the authority can reach you.",
		},
		{name: "directory", value: text(&a.Directory, isHTTPS), doc: "The authority's URL."},
		{
			name: "ca", value: path(&a.CA), example: `"ca.pem"`,
			doc: "PEM file of who vouches for the authority's own server, if it is one of yours.",
		},
		{
			name: "names", value: hostnames(&a.Names), example: `["imap.example.test"]`,
			doc: "A certificate for each of these, besides hostname.",
		},
		{
			name: "challenge", value: choice("a challenge", &a.Challenge, []Challenge{HTTP01, TLSALPN01, DNS01}, nil),
			doc: "How the authority is shown that the names are yours. http-01: it asks port 80, where a [[listener]] with protocol acme answers; tls-alpn-01: likewise on port 443; dns-01: a record in DNS.",
		},
		{
			name: "dns_server", value: text(&a.DNSServer, isHostPort), example: `"192.0.2.53:53"`,
			doc: "For dns-01: the server that takes changes of the zones (RFC 2136).",
		},
		{
			name: "dns_key_file", value: path(&a.DNSKeyFile), example: `"acme.key"`,
			doc: "The key that it knows us by, as tsig-keygen writes it.",
		},
		{
			name: "dns_wait", value: duration(&a.DNSWait, 0, time.Hour),
			doc: "How long changes take to get to all servers of a zone.",
		},
	}}
}

// hostnames is a list of full names of machines.
func hostnames(p *[]string) value {
	return list(p, `a list of host names; want ["imap.example.test"]`, func(v any) (string, error) {
		if s, ok := v.(string); ok && isName(s) {
			return strings.ToLower(s), nil
		}
		return "", wantError(v, `a host name; want "imap.example.test"`)
	}, same)
}

func isHTTPS(s string) error {
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is not a URL of an authority; want something like %q", s, LetsEncrypt)
	}
	return nil
}

// isHostPort says what is wrong with the address of a server.
func isHostPort(s string) error {
	var checked string
	if err := address(&checked).read(s, ""); err != nil {
		return err
	}
	if strings.HasPrefix(s, ":") {
		return fmt.Errorf(`%q names no server; want "192.0.2.53:53"`, s)
	}
	return nil
}

// certificates are the tables about certificates for some names.
func (c *Config) certificates() array {
	return arrayOf(array{
		name: "certificate", after: "tls",
		doc: "Certificates for other names: one table for each. A client is shown the one that is for the name that it asks for; [tls] is for all others.",
	}, &c.OtherTLS, empty, (*TLS).fields)
}

// fields are the keys of a [[certificate]].
func (t *TLS) fields() []field {
	return []field{
		{
			name: "certificate", required: true, value: path(&t.Certificate), example: `"other.example.pem"`,
			doc: "PEM file with the certificate and its chain. It is for the names in it; *.example.org in it is for one label more.",
		},
		{name: "key", required: true, value: path(&t.Key), example: `"other.example.key.pem"`, doc: "PEM file with its private key."},
	}
}

// service checks what has to do with those who run the server.
func (r *reader) service(c *Config) {
	if c.Service.Group != "" && c.Service.User == "" {
		r.problem("service.group", `has no user beside it; want user = "posthorn"`)
	}
}

// tls checks what has to do with certificates.
func (r *reader) tls(c *Config) {
	switch {
	case c.TLS.Certificate != "" && c.TLS.Key == "":
		r.problem("tls.certificate", "has no key beside it; want key = \"key.pem\"")
	case c.TLS.Certificate == "" && c.TLS.Key != "":
		r.problem("tls.key", "has no certificate beside it; want certificate = \"cert.pem\"")
	}
	answers := false
	for i, l := range c.Listeners {
		path := "listener." + strconv.Itoa(i)
		answers = answers || l.Protocol == ForACME
		switch {
		case l.Protocol == ForACME && (!c.ACME.Enabled || c.ACME.Challenge == DNS01):
			r.problem(path+".protocol", "%q is for [acme] enabled = true with challenge http-01 or tls-alpn-01", l.Protocol)
		case l.ClientCertificates != "" && !c.OffersTLS():
			r.problem(path+".client_certificates", "are shown in TLS only; want [tls]")
		case l.RequireClientCertificates && l.ClientCertificates == "":
			r.problem(path+".require_client_certificate", `needs the authorities that issue them; want client_certificates = "ca.pem"`)
		}
	}
	switch a := c.ACME; {
	case !a.Enabled:
	case a.Challenge == DNS01 && a.DNSServer == "":
		r.problem("acme.dns_server", `is missing; challenge "dns-01" wants something like dns_server = "192.0.2.53:53"`)
	case a.Challenge != DNS01 && !answers:
		r.problem("acme.challenge", `%q wants somebody who answers: a [[listener]] with protocol = "acme" and the address that port %d of your names leads to`,
			a.Challenge, map[Challenge]int{HTTP01: 80, TLSALPN01: 443}[a.Challenge])
	}
}
