package config

import (
	"net"
	"strconv"
)

// check looks at what only makes sense together, once every value is good by itself.
func (r *reader) check(c *Config) {
	switch {
	case c.TLS.Certificate != "" && c.TLS.Key == "":
		r.problem("tls.certificate", "has no key beside it; want key = \"key.pem\"")
	case c.TLS.Certificate == "" && c.TLS.Key != "":
		r.problem("tls.key", "has no certificate beside it; want certificate = \"cert.pem\"")
	}
	switch {
	case c.Store.Engine == Postgres && c.Store.DSN == "":
		r.problem("store.dsn", `is missing; engine "postgres" wants something like dsn = "postgres://posthorn@db.example.test/posthorn"`)
	case c.Store.Engine != Postgres && c.Store.DSN != "":
		r.problem("store.dsn", "is only for engine = \"postgres\"")
	}
	if len(c.Listeners) == 0 {
		r.problem(listenerKey, "is missing; a server needs at least one [[listener]]")
	}
	taken := map[string]Protocol{}
	for i, l := range c.Listeners {
		path := listenerKey + "." + strconv.Itoa(i)
		r.listener(path, l, c.TLS)
		if other, ok := taken[l.Address]; ok && !anyPort(l.Address) {
			r.problem(path+".address", "%q is taken by the listener for %s already", l.Address, other)
		}
		taken[l.Address] = l.Protocol
	}
}

func (r *reader) listener(path string, l Listener, t TLS) {
	switch {
	case t.Offered():
	case l.Protocol.ImplicitTLS():
		r.problem(path+".protocol", "%q needs a certificate; want [tls] with certificate and key", l.Protocol)
	case l.Protocol.LogsIn() && !l.PlaintextAuth:
		r.problem(path+".protocol", "nobody could log in on %q: there is no certificate; want [tls], or plaintext_auth = true in a closed network", l.Protocol)
	}
}

// anyPort says that the system chooses the port.
func anyPort(address string) bool {
	_, port, _ := net.SplitHostPort(address)
	return port == "0"
}
