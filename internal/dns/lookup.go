package dns

import (
	"context"
	"strings"
	"time"

	miekg "github.com/miekg/dns"

	"posthorn/internal/fault"
)

// Absence says that a record is not there, for certain. It is found with errors.As
// in errors of kind NotFound.
type Absence struct {
	Name       string // the name that has no such record; at the end of aliases if there are any
	Type       string // "MX"
	NoSuchName bool   // NXDOMAIN: it has no records at all, and no name below it has
	Authentic  bool   // proven by DNSSEC
}

func (a *Absence) Error() string {
	if a.NoSuchName {
		return a.Name + " does not exist"
	}
	return a.Name + " has no " + a.Type + " record"
}

// question is what is asked, and what answers are kept by.
type question struct {
	name  string // canonical
	qtype uint16
}

func (q question) String() string { return miekg.TypeToString[q.qtype] + " of " + q.name }

// found are the records that an answer is made of.
type found struct {
	Answer
	records []miekg.RR // never changed: the cache has them, too
}

// maxAliases is how long a chain of CNAME records may be.
const maxAliases = 10

// lookup finds the records of one type, at the end of all aliases.
func (s *stub) lookup(ctx context.Context, name string, qtype uint16) (found, error) {
	name, err := canonical(name)
	if err != nil {
		return found{}, err
	}
	first, hops := question{name, qtype}, 0
	all := Answer{Authentic: true, TTL: s.o.MaxTTL}
	for next := first; ; next.name = all.Name {
		d, err := s.cache.get(ctx, next, func() (digested, error) { return s.ask(ctx, next) })
		if err != nil {
			return found{}, fault.New(fault.KindOf(err), "dns: %v: %w", first, err)
		}
		all = Answer{d.name, all.Authentic && d.authentic, max(0, min(all.TTL, time.Until(d.expires)))}
		if hops += d.aliases; hops > maxAliases {
			return found{}, fault.New(fault.Invalid, "dns: %v: more than %d aliases, or a circle of them", first, maxAliases)
		}
		switch {
		case d.unfinished:
			continue
		case len(d.records) == 0:
			absence := &Absence{strings.TrimSuffix(d.name, "."), miekg.TypeToString[qtype], d.noSuchName, all.Authentic}
			return found{}, fault.New(fault.NotFound, "dns: %w", absence)
		}
		all.Name = strings.TrimSuffix(all.Name, ".")
		return found{all, d.records}, nil
	}
}

// knows says that nobody has to be asked for records of a name, or not for the first in
// a chain of aliases.
func (s *stub) knows(name string, qtype uint16) bool {
	name, err := canonical(name)
	return err == nil && s.cache.knows(question{name, qtype})
}

// canonical is a name as it is asked for: lower case, with a dot at its end. What
// would need escapes in a zone file is no name that mail has to do with.
func canonical(name string) (string, error) {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`\"();@$`, c) >= 0 {
			return "", fault.New(fault.Invalid, "dns: %q is not a name: %q is not allowed", name, c)
		}
	}
	full := strings.ToLower(miekg.Fqdn(name))
	if _, ok := miekg.IsDomainName(full); !ok || full == "." {
		return "", fault.New(fault.Invalid, "dns: %q is not a name", name)
	}
	return full, nil
}

// digested is what a reply means.
type digested struct {
	name       string // where the aliases in the reply lead
	aliases    int    // how many these are
	unfinished bool   // the server left it to us to ask on from there
	noSuchName bool
	records    []miekg.RR // none: there are none
	authentic  bool
	expires    time.Time
	cost       int // bytes
}

// digest takes a reply of NOERROR or NXDOMAIN apart.
func (s *stub) digest(q question, reply *miekg.Msg) (digested, error) {
	d := digested{
		name: q.name, authentic: s.o.TrustAD && reply.AuthenticatedData,
		noSuchName: reply.Rcode == miekg.RcodeNameError, cost: reply.Len(),
	}
	ttl := s.o.MaxTTL
	for {
		alias := cname(reply.Answer, d.name)
		if alias == nil {
			break
		}
		target, err := canonical(alias.Target)
		if err != nil {
			return digested{}, fault.New(fault.Invalid, "an alias leads to %q, which is no name", alias.Target)
		}
		if d.aliases++; d.aliases > maxAliases {
			return digested{}, fault.New(fault.Invalid, "more than %d aliases, or a circle of them", maxAliases)
		}
		d.name = target
		ttl = min(ttl, seconds(alias.Hdr.Ttl))
	}
	if !d.noSuchName {
		for _, rr := range reply.Answer {
			if h := rr.Header(); h.Rrtype == q.qtype && strings.EqualFold(h.Name, d.name) {
				d.records = append(d.records, rr)
				ttl = min(ttl, seconds(h.Ttl))
			}
		}
	}
	if len(d.records) == 0 {
		soa := authority(reply)
		// A server that knows of no such record says so with the zone's SOA
		// (RFC 2308 §2.2); one that has followed aliases only so far has none.
		d.unfinished = soa == nil && !d.noSuchName && d.aliases > 0
		if soa != nil {
			ttl = min(ttl, seconds(soa.Hdr.Ttl), seconds(soa.Minttl), longestAbsence) // RFC 2308 §5
		} else if !d.unfinished {
			ttl = 0
		}
	}
	d.expires = time.Now().Add(max(ttl, s.o.MinTTL))
	return d, nil
}

// longestAbsence is how long it may take until a record that was missing is seen.
const longestAbsence = 15 * time.Minute

func cname(answer []miekg.RR, name string) *miekg.CNAME {
	for _, rr := range answer {
		if c, ok := rr.(*miekg.CNAME); ok && strings.EqualFold(c.Hdr.Name, name) {
			return c
		}
	}
	return nil
}

func authority(reply *miekg.Msg) *miekg.SOA {
	for _, rr := range reply.Ns {
		if soa, ok := rr.(*miekg.SOA); ok {
			return soa
		}
	}
	return nil
}

func seconds(ttl uint32) time.Duration { return time.Duration(ttl) * time.Second }
