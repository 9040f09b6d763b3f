package config

import "strconv"

// certificates are the tables about certificates for some names.
func (c *Config) certificates() array {
	list := array{
		name: "certificate", after: "tls", normal: new(TLS).fields(),
		doc: "Certificates for other names: one table for each. A client is shown the one that is for the name that it asks for; [tls] is for all others.",
		add: func() []field {
			c.OtherTLS = append(c.OtherTLS, TLS{})
			return c.OtherTLS[len(c.OtherTLS)-1].fields()
		},
	}
	for i := range c.OtherTLS {
		list.tables = append(list.tables, c.OtherTLS[i].fields())
	}
	return list
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

// tls checks what has to do with certificates.
func (r *reader) tls(c *Config) {
	switch {
	case c.TLS.Certificate != "" && c.TLS.Key == "":
		r.problem("tls.certificate", "has no key beside it; want key = \"key.pem\"")
	case c.TLS.Certificate == "" && c.TLS.Key != "":
		r.problem("tls.key", "has no certificate beside it; want certificate = \"cert.pem\"")
	}
	for i, l := range c.Listeners {
		path := "listener." + strconv.Itoa(i)
		switch {
		case l.ClientCertificates != "" && !c.OffersTLS():
			r.problem(path+".client_certificates", "are shown in TLS only; want [tls]")
		case l.RequireClientCertificates && l.ClientCertificates == "":
			r.problem(path+".require_client_certificate", `needs the authorities that issue them; want client_certificates = "ca.pem"`)
		}
	}
}
