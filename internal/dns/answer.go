package dns

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	miekg "github.com/miekg/dns"

	"posthorn/internal/fault"
)

// Answer is what all answers have in common.
type Answer struct {
	Name      string        // where the records were found: the name asked for, or what its aliases lead to
	Authentic bool          // proven by DNSSEC, aliases included
	TTL       time.Duration // how much longer it holds
}

// The errors of all the following are of one of these kinds:
//
//   - NotFound: there is no such record, and an Absence in the chain tells whether there is such a name;
//   - Unavailable: nobody could say; asking again later helps;
//   - Invalid: the name cannot be asked for, or what is there makes no sense;
//   - Canceled: ctx has ended.

// MX is one mail exchange.
type MX struct {
	Preference uint16
	Host       string // lower case, without the dot at its end; empty for the root
}

// MXAnswer are the mail exchanges of a domain, the smallest preference first.
type MXAnswer struct {
	Answer
	Hosts []MX
}

// IsNull says that the domain takes no mail (RFC 7505 §3).
func (a MXAnswer) IsNull() bool { return len(a.Hosts) == 1 && a.Hosts[0].Host == "" }

// MX asks for the mail exchanges of a domain. Records whose host is no name are
// left out.
func (r *Resolver) MX(ctx context.Context, domain string) (MXAnswer, error) {
	found, err := r.lookup(ctx, domain, miekg.TypeMX)
	if err != nil {
		return MXAnswer{}, err
	}
	a := MXAnswer{Answer: found.Answer}
	for _, rr := range found.records {
		mx, ok := rr.(*miekg.MX)
		if !ok {
			continue
		}
		host, err := canonical(mx.Mx)
		if err == nil || mx.Mx == "." {
			a.Hosts = append(a.Hosts, MX{mx.Preference, strings.TrimSuffix(host, ".")})
		}
	}
	if len(a.Hosts) == 0 {
		return MXAnswer{}, fault.New(fault.Invalid, "dns: no MX record of %s names a host", domain)
	}
	slices.SortStableFunc(a.Hosts, func(a, b MX) int { return cmp.Compare(a.Preference, b.Preference) })
	return a, nil
}

// AddrAnswer are the addresses of a host, those of IPv6 first.
type AddrAnswer struct {
	Answer
	Addrs []netip.Addr
	// Missing is why one family could not be asked for; nil: what is not in Addrs is
	// not there.
	Missing error
}

// Addrs asks for the addresses of a host, of both families at once. If one family
// cannot be asked for, the addresses of the other are answer enough.
func (r *Resolver) Addrs(ctx context.Context, host string) (AddrAnswer, error) {
	var v4, v6 found
	var err4, err6 error
	if r.knows(host, miekg.TypeAAAA) {
		v6, err6 = r.lookup(ctx, host, miekg.TypeAAAA)
		v4, err4 = r.lookup(ctx, host, miekg.TypeA)
	} else {
		var both sync.WaitGroup
		both.Go(func() { v4, err4 = r.lookup(ctx, host, miekg.TypeA) })
		v6, err6 = r.lookup(ctx, host, miekg.TypeAAAA)
		both.Wait()
	}
	switch {
	case err4 != nil && err6 != nil:
		return AddrAnswer{}, neither(err4, err6)
	case err4 != nil:
		return AddrAnswer{v6.Answer, addrs(v6.records), unlessAbsent(err4)}, nil
	case err6 != nil:
		return AddrAnswer{v4.Answer, addrs(v4.records), unlessAbsent(err6)}, nil
	}
	a := AddrAnswer{Answer: v6.Answer, Addrs: append(addrs(v6.records), addrs(v4.records)...)}
	a.Authentic = a.Authentic && v4.Authentic
	a.TTL = min(a.TTL, v4.TTL)
	return a, nil
}

// unlessAbsent is an error of a lookup, but none if it is that there is nothing.
func unlessAbsent(err error) error {
	if none := (*Absence)(nil); errors.As(err, &none) {
		return nil
	}
	return err
}

// neither is why a host has no address of either family: that there is none only if
// both could be asked for.
func neither(err4, err6 error) error {
	var no4, no6 *Absence
	switch {
	case !errors.As(err4, &no4):
		return err4
	case !errors.As(err6, &no6):
		return err6
	}
	none := &Absence{no4.Name, "A or AAAA", no4.NoSuchName && no6.NoSuchName, no4.Authentic && no6.Authentic}
	return fault.New(fault.NotFound, "dns: %w", none)
}

func addrs(records []miekg.RR) []netip.Addr {
	var all []netip.Addr
	for _, rr := range records {
		var ip netip.Addr
		switch rr := rr.(type) {
		case *miekg.A:
			ip, _ = netip.AddrFromSlice(rr.A)
		case *miekg.AAAA:
			ip, _ = netip.AddrFromSlice(rr.AAAA)
		}
		if ip.IsValid() {
			all = append(all, ip.Unmap())
		}
	}
	return all
}

// TXTAnswer are the texts of a name, the strings of each put together.
type TXTAnswer struct {
	Answer
	Texts []string
}

// TXT asks for the texts of a name.
func (r *Resolver) TXT(ctx context.Context, name string) (TXTAnswer, error) {
	found, err := r.lookup(ctx, name, miekg.TypeTXT)
	if err != nil {
		return TXTAnswer{}, err
	}
	a := TXTAnswer{Answer: found.Answer}
	for _, rr := range found.records {
		if txt, ok := rr.(*miekg.TXT); ok {
			a.Texts = append(a.Texts, unescape(strings.Join(txt.Txt, "")))
		}
	}
	return a, nil
}

// TLSA is one association of a certificate with a service (RFC 6698 §2.1).
type TLSA struct {
	Usage, Selector, MatchingType uint8
	Data                          []byte
}

// TLSAAnswer are the associations of a service. They mean something only if they
// are authentic.
type TLSAAnswer struct {
	Answer
	Records []TLSA
}

// TLSA asks for the associations of a service, by its whole name
// (`_25._tcp.mx.example.test`).
func (r *Resolver) TLSA(ctx context.Context, name string) (TLSAAnswer, error) {
	found, err := r.lookup(ctx, name, miekg.TypeTLSA)
	if err != nil {
		return TLSAAnswer{}, err
	}
	a := TLSAAnswer{Answer: found.Answer}
	for _, rr := range found.records {
		tlsa, ok := rr.(*miekg.TLSA)
		if !ok {
			continue
		}
		data, err := hex.DecodeString(tlsa.Certificate)
		if err == nil {
			a.Records = append(a.Records, TLSA{tlsa.Usage, tlsa.Selector, tlsa.MatchingType, data})
		}
	}
	return a, nil
}

// PTRAnswer are the names that an address claims to have. Whether they have the
// address, too, is another question.
type PTRAnswer struct {
	Answer
	Names []string // lower case, without the dot at their end
}

// PTR asks for the names of an address.
func (r *Resolver) PTR(ctx context.Context, ip netip.Addr) (PTRAnswer, error) {
	name, err := miekg.ReverseAddr(ip.Unmap().WithZone("").String())
	if err != nil {
		return PTRAnswer{}, fault.New(fault.Invalid, "dns: %w", err)
	}
	found, err := r.lookup(ctx, name, miekg.TypePTR)
	if err != nil {
		return PTRAnswer{}, err
	}
	a := PTRAnswer{Answer: found.Answer}
	for _, rr := range found.records {
		if ptr, ok := rr.(*miekg.PTR); ok {
			if name, err := canonical(ptr.Ptr); err == nil {
				a.Names = append(a.Names, strings.TrimSuffix(name, "."))
			}
		}
	}
	return a, nil
}

// unescape gives the bytes of a text that miekg spells for a zone file, where \"
// is a quote and \195 one byte.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	isDigit := func(i int) bool { return i < len(s) && '0' <= s[i] && s[i] <= '9' }
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b.WriteByte(s[i])
		case isDigit(i+1) && isDigit(i+2) && isDigit(i+3):
			b.WriteByte((s[i+1]-'0')*100 + (s[i+2]-'0')*10 + (s[i+3] - '0'))
			i += 3
		default:
			i++
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
