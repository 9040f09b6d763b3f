package dns

import (
	"context"
	"strings"

	miekg "github.com/miekg/dns"
)

// SRV is one place where a service is offered (RFC 2782).
type SRV struct {
	Priority, Weight, Port uint16
	Host                   string // lower case, without the dot at its end; empty: the service is not offered
}

// SRVAnswer are the places where a service is offered.
type SRVAnswer struct {
	Answer
	Places []SRV
}

// SRV asks where a service is offered, by its whole name (`_imaps._tcp.example.test`).
// Records whose host is no name are left out.
func (r *Resolver) SRV(ctx context.Context, name string) (SRVAnswer, error) {
	found, err := r.lookup(ctx, name, miekg.TypeSRV)
	if err != nil {
		return SRVAnswer{}, err
	}
	a := SRVAnswer{Answer: found.Answer}
	for _, rr := range found.records {
		srv, ok := rr.(*miekg.SRV)
		if !ok {
			continue
		}
		host, err := canonical(srv.Target)
		if err == nil || srv.Target == "." {
			a.Places = append(a.Places, SRV{srv.Priority, srv.Weight, srv.Port, strings.TrimSuffix(host, ".")})
		}
	}
	return a, nil
}
