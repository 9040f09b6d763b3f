package dnszone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"posthorn/internal/dns"
	"posthorn/internal/fault"
)

// Status is how what was found compares with what should be there.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Missing Status = "missing" // nothing is there
	Wrong   Status = "wrong"   // something else is
	Unknown Status = "unknown" // DNS could not be asked
)

// Finding is what was found for one purpose.
type Finding struct {
	What   string   `json:"what"` // "MX"
	Name   string   `json:"name"` // what was asked for
	Needed bool     `json:"needed"`
	Status Status   `json:"status"`
	Found  []string `json:"found,omitempty"`
	Remark string   `json:"remark,omitempty"` // what is wrong with it, or could be better
	Mend   string   `json:"mend,omitempty"`   // what to do
}

// Right says that everything is there that is needed.
func Right(findings []Finding) bool {
	return !slices.ContainsFunc(findings, func(f Finding) bool { return f.Needed && f.Status != OK })
}

// checkTime bounds a whole check.
const checkTime = 40 * time.Second

// Check looks in DNS for what a domain needs.
func Check(ctx context.Context, r *dns.Resolver, f *Facts) []Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	c := &check{Facts: f, r: r}
	c.hostAddresses(ctx)
	looks := []func(context.Context) []Finding{
		c.exchange, c.host, c.pointers, c.senders, c.helloSenders, c.keys, c.policy, c.associations, c.strictTransport, c.reports, c.programs,
	}
	found := make([][]Finding, len(looks))
	var all sync.WaitGroup
	for i, look := range looks {
		all.Go(func() { found[i] = look(ctx) })
	}
	all.Wait()
	return slices.Concat(found...)
}

// check is a Check under way.
type check struct {
	*Facts
	r       *dns.Resolver
	hosts   dns.AddrAnswer // the addresses of our host
	hostErr error
}

func (c *check) hostAddresses(ctx context.Context) {
	c.hosts, c.hostErr = c.r.Addrs(ctx, c.Hostname)
}

// maxAddresses is how many addresses of our host are looked at.
const maxAddresses = 8

// ips are the addresses from which our mail comes, as far as that is known.
func (c *check) ips() []netip.Addr {
	notOurs := func(ip netip.Addr) bool {
		return len(c.Addresses) > 0 && !slices.Contains(c.Addresses, ip) || !IsPublic(ip)
	}
	ips := slices.DeleteFunc(slices.Clone(c.hosts.Addrs), notOurs)
	if len(ips) == 0 {
		ips = c.Addresses
	}
	return ips[:min(len(ips), maxAddresses)]
}

// finding begins a finding; err is that of the lookup. It is over unless err is nil.
func (c *check) finding(what, name string, needed bool, err error, publish ...Record) Finding {
	f := Finding{What: what, Name: name, Needed: needed, Status: OK}
	switch {
	case err == nil:
	case fault.Is(err, fault.NotFound):
		f.Status = Missing
		f.mend(publish...)
	case fault.Is(err, fault.Invalid):
		f.Status, f.Remark = Wrong, reason(err)
		f.mend(publish...)
	default:
		f.Status, f.Remark = Unknown, reason(err)
		f.Mend = tryAgain
	}
	return f
}

const tryAgain = "try again later; if it stays so, look after the domain's name servers, and those in [dns]"

// reason is the last word of an error.
func reason(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

// wrong says that what was found will not do.
func (f *Finding) wrong(remark string, publish ...Record) {
	f.Status, f.Remark = Wrong, remark
	if len(publish) > 0 {
		f.mend(publish...)
	}
}

// mend tells what to publish.
func (f *Finding) mend(publish ...Record) {
	verb := "publish"
	if f.Status == Wrong {
		verb = "publish instead"
	}
	for i, r := range publish {
		if i == 0 {
			f.Mend = verb + ": " + r.String()
		} else {
			f.Mend += " and " + r.String()
		}
	}
}

// exchange looks where mail for the domain goes.
func (c *check) exchange(ctx context.Context) []Finding {
	answer, err := c.r.MX(ctx, c.Domain)
	f := c.finding("MX", c.Domain, true, err, c.mx())
	if err != nil {
		return []Finding{f}
	}
	ours := slices.IndexFunc(answer.Hosts, func(mx dns.MX) bool { return mx.Host == c.Hostname })
	for _, mx := range answer.Hosts {
		f.Found = append(f.Found, fmt.Sprintf("%d %s.", mx.Preference, mx.Host))
	}
	switch {
	case answer.IsNull():
		f.wrong("this says that the domain takes no mail", c.mx())
	case ours < 0:
		f.wrong("mail goes elsewhere", c.mx())
	case ours > 0 && answer.Hosts[0].Preference < answer.Hosts[ours].Preference:
		f.Remark = answer.Hosts[0].Host + " gets the mail first"
	}
	return []Finding{f}
}

// host looks at the addresses of our host.
func (c *check) host(context.Context) []Finding {
	var publish []Record
	for _, ip := range c.Addresses {
		publish = append(publish, addressRecord(c.Hostname, ip))
	}
	f := c.finding("address", c.Hostname, true, c.hostErr, publish...)
	if c.hostErr != nil {
		if f.Status == Missing && f.Mend == "" {
			f.Mend = "publish " + c.Hostname + ". IN A with the address at which the world reaches this server"
		}
		return []Finding{f}
	}
	known := false
	for _, ip := range c.hosts.Addrs {
		f.Found = append(f.Found, ip.String())
		known = known || slices.Contains(c.Addresses, ip)
	}
	inside := slices.IndexFunc(c.hosts.Addrs, func(ip netip.Addr) bool { return !IsPublic(ip) })
	switch {
	case c.hosts.Name != c.Hostname:
		// RFC 2181 §10.3, RFC 5321 §5.1
		f.wrong("the host is an alias (CNAME) of " + c.hosts.Name + ", which a mail server must not be")
		f.Mend = "publish the addresses themselves under " + c.Hostname
	case inside >= 0:
		f.wrong(c.hosts.Addrs[inside].String()+" cannot be reached from outside", publish...)
	case !known && len(c.Addresses) > 0:
		f.wrong("that is another machine", publish...)
	}
	return []Finding{f}
}

// IsPublic says that an address may be reached from the whole Internet.
func IsPublic(ip netip.Addr) bool {
	carriers := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10) // RFC 6598: shared behind a carrier's NAT
	ip = ip.Unmap()
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !carriers.Contains(ip)
}

// pointers looks at the names of our addresses.
func (c *check) pointers(ctx context.Context) []Finding {
	var all []Finding
	for _, ip := range c.ips() {
		answer, err := c.r.PTR(ctx, ip)
		f := c.finding("PTR", ip.String(), true, err)
		f.Found = answer.Names
		switch {
		case f.Status == OK && slices.Contains(answer.Names, c.Hostname):
		case f.Status == OK && c.confirmed(ctx, ip, answer.Names):
			f.Remark = "that will do, but " + c.Hostname + " would be better: it is what the server calls itself"
		case f.Status == OK:
			f.wrong("the name does not lead back to the address")
			fallthrough
		case f.Status != Unknown:
			f.Mend = "ask whoever gives you the address for: " + pointer(ip, c.Hostname).String()
		}
		all = append(all, f)
	}
	return all
}

// confirmed says that one of some names has an address.
func (c *check) confirmed(ctx context.Context, ip netip.Addr, names []string) bool {
	for _, name := range names[:min(len(names), maxAddresses)] {
		if answer, err := c.r.Addrs(ctx, name); err == nil && slices.Contains(answer.Addrs, ip) {
			return true
		}
	}
	return false
}

// WriteFindings writes findings for people.
func WriteFindings(w io.Writer, findings []Finding) {
	for _, f := range findings {
		status := string(f.Status)
		if !f.Needed && f.Status != OK {
			status += "*"
		}
		line := fmt.Sprintf("%-9s %-8s %s", status, f.What, f.Name)
		if len(f.Found) > 0 {
			line += ": " + shorten(strings.Join(f.Found, " | "))
		}
		fmt.Fprintln(w, line)
		for _, more := range []string{f.Remark, f.Mend} {
			if more != "" {
				fmt.Fprintf(w, "%19s%s\n", "", more)
			}
		}
	}
}

// shorten keeps lines readable that a key would make long.
func shorten(text string) string {
	const most = 100
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
