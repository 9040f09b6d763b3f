package config

import (
	"net"
	"net/netip"
	"strconv"
)

// check looks at what only makes sense together, once every value is good by itself.
func (r *reader) check(c *Config) {
	r.tls(c)
	r.login(c)
	r.directories(c)
	r.service(c)
	switch {
	case c.Store.Engine == Postgres && c.Store.DSN == "":
		r.problem("store.dsn", `is missing; engine "postgres" wants something like dsn = "postgres://posthorn@db.example.test/posthorn"`)
	case c.Store.Engine != Postgres && c.Store.DSN != "":
		r.problem("store.dsn", "is only for engine = \"postgres\"")
	}
	r.listeners(c)
	r.relay(c.Relay.Networks)
	for i, q := range c.Quirks {
		if len(q.Without) == 0 && len(q.With) == 0 {
			r.problem("quirk."+strconv.Itoa(i), `changes nothing; want without = ["COMPRESS=DEFLATE"] or with = ["UIDONLY"]`)
		}
	}
	if c.IMAP.MessageLimit > 0 && c.IMAP.SaveLimit > 0 { // RFC 9738 §3: one of them is announced
		r.problem("imap.save_limit", "is for servers without message_limit, which counts for COPY and APPEND, too; want one of the two")
	}
	for i, route := range c.Routes {
		r.route("route."+strconv.Itoa(i), route)
	}
}

// relay keeps the server from relaying for the world by mistake.
func (r *reader) relay(networks []netip.Prefix) {
	for _, n := range networks {
		switch ip := n.Addr(); {
		case ip.Is4In6():
			r.problem("relay.networks", "%q would match nobody; write it as an IPv4 network", n)
		case ip.Is4() && n.Bits() < 8:
			r.problem("relay.networks", "%q would let a good part of the world relay through this server; want networks of your own, /8 or smaller", n)
		case ip.Is6() && n.Bits() < 16 && !ip.IsPrivate():
			r.problem("relay.networks", "%q would let a good part of the world relay through this server; want networks of your own, /16 or smaller", n)
		}
	}
}

func (r *reader) listeners(c *Config) {
	const listenerKey = "listener"
	if len(c.Listeners) == 0 {
		r.problem(listenerKey, "is missing; a server needs at least one [[listener]]")
	}
	taken := map[string]Protocol{}
	for i, l := range c.Listeners {
		path := listenerKey + "." + strconv.Itoa(i)
		r.listener(path, l, c.OffersTLS())
		if other, ok := taken[l.Address]; ok && !anyPort(l.Address) {
			r.problem(path+".address", "%q is taken by the listener for %s already", l.Address, other)
		}
		taken[l.Address] = l.Protocol
	}
}

func (r *reader) listener(path string, l Listener, tls bool) {
	switch {
	case len(l.XClient) > 0 && !l.Protocol.TakesMail():
		r.problem(path+".xclient", "is only for smtp, submission, submissions and lmtp, not for %q", l.Protocol)
	case l.Protocol == HTTP && !onLoopback(l.Address):
		r.problem(path+".address", "%q would have passwords pass in clear; http is for this machine only: want something like \"127.0.0.1:2080\", or protocol https", l.Address)
	case tls, l.Protocol == HTTP:
	case l.Protocol.ImplicitTLS():
		r.problem(path+".protocol", "%q needs a certificate; want [tls] with certificate and key", l.Protocol)
	case l.Protocol.LogsIn() && !l.PlaintextAuth:
		r.problem(path+".protocol", "nobody could log in on %q: there is no certificate; want [tls], or plaintext_auth = true in a closed network", l.Protocol)
	}
}

func (r *reader) route(path string, to Route) {
	if len(to.Domains) == 0 && to.Name == "" {
		r.problem(path+".domains", `is missing; want something like domains = ["example.org"], or a name`)
	}
	switch {
	case to.Transport.needsHosts() && len(to.Hosts) == 0:
		r.problem(path+".hosts", `is missing; transport %q wants something like hosts = ["smtp.isp.example:587"]`, to.Transport)
	case !to.Transport.needsHosts() && len(to.Hosts) > 0:
		r.problem(path+".hosts", "is only for transports %s and %s, not for %q", SmartHost, ByLMTP, to.Transport)
	}
	switch {
	case to.User != "" && to.PasswordFile == "":
		r.problem(path+".user", `has no password; want password_file = "isp.password"`)
	case to.User == "" && to.PasswordFile != "":
		r.problem(path+".password_file", `has nobody whose password it is; want user = "alice@isp.example"`)
	case to.User != "" && !to.Transport.needsHosts():
		r.problem(path+".user", "is only for transports %s and %s, not for %q", SmartHost, ByLMTP, to.Transport)
	case to.User != "" && to.TLS == Never && !to.ImplicitTLS && !to.PlaintextAuth:
		r.problem(path+".user", `could not log in: tls is "never"; want TLS, or plaintext_auth = true in a closed network`)
	}
	if to.ImplicitTLS && to.TLS == Never {
		r.problem(path+".implicit_tls", `contradicts tls = "never"`)
	}
}

// onLoopback says that an address is reached from this machine only.
func onLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// anyPort says that the system chooses the port.
func anyPort(address string) bool {
	_, port, _ := net.SplitHostPort(address)
	return port == "0"
}
