package outbound

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"posthorn/internal/smtpclient"
)

// Transport is how mail travels on a route.
type Transport uint8

// The transports.
const (
	ByMX      Transport = iota // to the servers that the destination's MX records name
	SmartHost                  // to Route.Hosts, which see to the rest
	LMTP                       // to Route.Hosts, which put it into mailboxes
	Discard                    // nowhere; it counts as delivered
)

// Route is how mail gets to some destinations.
type Route struct {
	Name string // what the operator calls it; a job's destination, too, if he has chosen it
	// Domains are the destinations: "example.test", ".example.test" for all below
	// it, "*" for all that there are. In canonical form.
	Domains   []string
	Transport Transport
	// Hosts are tried in their order: "smtp.isp.test", "smtp.isp.test:465", an address
	// in brackets if it is one of IPv6, or "unix:/run/lmtp". Default ports: see port.
	Hosts []string

	// TLS is what is asked of TLS. With TLSNever and TLSRequired, what the destination
	// wants does not matter; otherwise DANE and MTA-STS may ask for more. With Auth, TLSOpportunistic means TLSVerified: who
	// gets a password has to prove who he is.
	TLS           smtpclient.TLSPolicy
	ImplicitTLS   bool
	Auth          *smtpclient.Credentials
	PlaintextAuth bool // log in to whomever, and without TLS, too

	Hostname string       // what we call ourselves; "": Options.Hostname
	Source   []netip.Addr // our end of connections: one address of each family at most
}

// Find says which route is that of a destination: the one of that name, or the one
// whose domains fit best; -1: none is.
func Find(routes []Route, destination string) int {
	best, score := -1, 0
	for i := range routes {
		r := &routes[i]
		if r.Name != "" && r.Name == destination {
			return i
		}
		for _, domain := range r.Domains {
			if s := fits(domain, destination); s > score {
				best, score = i, s
			}
		}
	}
	return best
}

// find gives the route of a destination. Without any, mail goes by MX; and to a host
// and port that the operator has chosen it goes there.
func find(routes []Route, destination string) *Route {
	if _, port, err := splitHost(destination); err == nil && port != "" {
		return &Route{Name: destination, Transport: SmartHost, Hosts: []string{destination}}
	}
	if i := Find(routes, destination); i >= 0 {
		return &routes[i]
	}
	return &Route{}
}

// splitHost is net.SplitHostPort, for what mostly has no port.
func splitHost(destination string) (host, port string, err error) {
	if !strings.Contains(destination, ":") {
		return destination, "", nil
	}
	return net.SplitHostPort(destination)
}

// fits says how well a pattern fits a destination; 0: not at all.
func fits(pattern, destination string) int {
	const exactly = 1 << 20
	switch {
	case pattern == destination:
		return exactly
	case pattern == "*":
		return 1
	case strings.HasPrefix(pattern, ".") && strings.HasSuffix(destination, pattern):
		return 1 + len(pattern)
	}
	return 0
}

// targets are the hosts of a route.
func (r *Route) targets() []target {
	var all []target
	for i, host := range r.Hosts {
		t := target{host: host, preference: uint16(i), port: r.port()}
		if path, ok := strings.CutPrefix(host, "unix:"); ok {
			t.socket = path
		} else if name, port, err := net.SplitHostPort(host); err == nil {
			if n, err := strconv.ParseUint(port, 10, 16); err == nil {
				t.host, t.port = name, uint16(n)
			}
		}
		if ip, err := netip.ParseAddr(strings.Trim(t.host, "[]")); err == nil {
			t.host, t.addrs = ip.String(), []netip.Addr{ip}
		}
		all = append(all, t)
	}
	return all
}

// port is the one that is used where none is given.
func (r *Route) port() uint16 {
	switch {
	case r.Transport == LMTP:
		return 24
	case r.ImplicitTLS:
		return 465 // RFC 8314 §3.3
	case r.Auth != nil:
		return 587 // RFC 6409 §3.1
	}
	return smtpPort
}

const smtpPort = 25

// source is our end of a connection to an address; invalid: any.
func (r *Route) source(to netip.Addr) netip.Addr {
	for _, ip := range r.Source {
		if ip.Is4() == to.Is4() {
			return ip
		}
	}
	return netip.Addr{}
}
