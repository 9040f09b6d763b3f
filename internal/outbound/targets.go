package outbound

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/dns"
	"posthorn/internal/fault"
	"posthorn/internal/queue"
)

// target is a host that mail may be brought to.
type target struct {
	host       string // its name, or its address if it has no name
	preference uint16
	port       uint16
	socket     string       // the path of a Unix socket, instead of all the others
	addrs      []netip.Addr // known from the start, or found by resolve
	alias      string       // what the aliases of its name lead to, once that is known
	proven     bool         // DNSSEC says that it is a host of the destination, and that these are its addresses
}

// maxHosts is how many hosts are looked up in one attempt, of however many MX
// records there are.
const maxHosts = 10

// targets are the hosts that DNS has for a destination, the preferred first, those
// that are equal in a random order. Instead of them there may be a result for all.
func (o *Outbound) targets(ctx context.Context, domain string) ([]target, *queue.Result) {
	if ip, ok := (addr.Address{Domain: domain}).Literal(); ok { // RFC 5321 §4.1.3
		return []target{{host: ip.String(), port: smtpPort, addrs: []netip.Addr{ip}}}, nil
	}
	mx, err := o.o.Resolver.MX(ctx, domain)
	var absence *dns.Absence
	var verdict queue.Result
	switch {
	case err == nil:
		if all := byPreference(mx); len(all) > 0 {
			return all, nil
		}
		verdict = noMail(domain)
	case !errors.As(err, &absence):
		verdict = unresolved(domain, err)
	case absence.NoSuchName:
		verdict = noSuchDomain(domain)
	default:
		// RFC 5321 §5.1: without MX records the domain is its own mail exchange.
		return []target{{host: domain, port: smtpPort, proven: absence.Authentic}}, nil
	}
	return nil, &verdict
}

func byPreference(mx dns.MXAnswer) []target {
	// RFC 5321 §5.1: among equals the order must be random, to spread the load.
	rand.Shuffle(len(mx.Hosts), func(i, j int) { mx.Hosts[i], mx.Hosts[j] = mx.Hosts[j], mx.Hosts[i] })
	var all []target
	for _, host := range mx.Hosts {
		if host.Host != "" { // a null MX, which means nothing among others (RFC 7505 §3)
			all = append(all, target{host: host.Host, preference: host.Preference, port: smtpPort, proven: mx.Authentic})
		}
	}
	slices.SortStableFunc(all, func(a, b target) int { return cmp.Compare(a.preference, b.preference) })
	return all[:min(len(all), maxHosts)]
}

// equals cuts off the targets that are as preferred as the first.
func equals(all []target) (first, rest []target) {
	n := 0
	for n < len(all) && all[n].preference == all[0].preference {
		n++
	}
	return all[:n], all[n:]
}

// resolve finds the addresses of targets. Of those that have none it tells why.
// self says that one of them is this server (RFC 5321 §5.1): then nothing as
// preferred as it, or less, is nearer to the destination than we are.
func (o *Outbound) resolve(ctx context.Context, targets []target) (found []target, failures []queue.Result, self bool) {
	for _, t := range targets {
		if strings.EqualFold(t.host, o.o.Hostname) {
			return nil, nil, true
		}
		if t.addrs == nil {
			answer, err := o.o.Resolver.Addrs(ctx, t.host)
			if err != nil {
				failures = append(failures, unresolved(t.host, err))
				if fault.Is(err, fault.Canceled) {
					return found, failures, false
				}
				continue
			}
			t.addrs = alternating(answer.Addrs)
			t.proven, t.alias = t.proven && answer.Authentic, answer.Name
		}
		for _, ip := range t.addrs {
			if o.o.Ours(ip) {
				return nil, nil, true
			}
		}
		found = append(found, t)
	}
	return found, failures, false
}

// maxAddrs is how many addresses of one host are tried.
const maxAddrs = 8

// alternating puts the families in turns, IPv6 first (RFC 8305 §4).
func alternating(addrs []netip.Addr) []netip.Addr {
	var v6, v4, all []netip.Addr
	for _, ip := range addrs {
		if ip.Is4() {
			v4 = append(v4, ip)
		} else {
			v6 = append(v6, ip)
		}
	}
	for i := range max(len(v6), len(v4)) {
		if i < len(v6) {
			all = append(all, v6[i])
		}
		if i < len(v4) {
			all = append(all, v4[i])
		}
	}
	return all[:min(len(all), maxAddrs)]
}
