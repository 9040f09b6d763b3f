package server

import (
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"posthorn/internal/config"
	"posthorn/internal/dnszone"
)

// site is what the world is to know of this server.
func (d *Data) site() dnszone.Site {
	c := d.config.Load()
	s := dnszone.Site{Hostname: c.Hostname, Addresses: publicAddresses(c.Listeners)}
	for _, l := range c.Listeners {
		if l.Protocol.LogsIn() && !speaksHTTP(l.Protocol) {
			s.Services = append(s.Services, dnszone.Service{Name: string(l.Protocol), Port: portOf(l)})
		}
	}
	for _, der := range d.certs.Chain(c.Hostname) {
		if certificate, err := x509.ParseCertificate(der); err == nil {
			s.Certificates = append(s.Certificates, certificate)
		}
	}
	return s
}

// portOf is the port of a listener; the usual one if the system chooses.
func portOf(l config.Listener) uint16 {
	if _, port, err := net.SplitHostPort(l.Address); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil && n != 0 {
			return uint16(n)
		}
	}
	return uint16(l.Protocol.Port())
}

// publicAddresses are those at which the world reaches the listener for its mail, as
// far as this machine knows them: behind a router it does not.
func publicAddresses(listeners []config.Listener) []netip.Addr {
	var all []netip.Addr
	for _, l := range listeners {
		if l.Protocol != config.SMTP {
			continue
		}
		host, _, _ := net.SplitHostPort(l.Address)
		if ip, err := netip.ParseAddr(host); err == nil && !ip.IsUnspecified() {
			all = append(all, ip.Unmap())
		} else {
			all = append(all, machineAddresses()...)
		}
	}
	all = slices.DeleteFunc(all, func(ip netip.Addr) bool { return !dnszone.IsPublic(ip) })
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// machineAddresses are those of the network interfaces.
func machineAddresses() []netip.Addr {
	var all []netip.Addr
	networks, _ := net.InterfaceAddrs() // without an answer there are none that are known
	for _, n := range networks {
		if prefix, err := netip.ParsePrefix(n.String()); err == nil {
			all = append(all, prefix.Addr().Unmap())
		}
	}
	return all
}
