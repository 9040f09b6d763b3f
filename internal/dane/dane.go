// Package dane proves who a mail server is by what its domain has in DNS about its
// certificates: TLSA records (RFC 6698), as SMTP uses them (RFC 7672).
//
// It owns which records count, which name they are found at, and whether a
// certificate is one of those that they mean. It never connects, and never decides
// whether DANE applies: who calls Lookup has proof, by DNSSEC, that mail for the
// destination is to go to the host, and that its addresses are its own.
//
// Invariants: records that are not authentic count for nothing; a host whose records
// cannot be asked for is not one that has none, or whoever can keep us from asking
// could turn DANE off; with records that count there is TLS or no mail.
//
// Flow: Lookup finds the records of a host and sorts out those that can be used;
// Policy.Verify compares them with the certificates of a handshake.
package dane

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"posthorn/internal/dns"
	"posthorn/internal/fault"
)

// Resolver is what has to be looked up. The kinds of error are those of package dns.
type Resolver interface {
	TLSA(ctx context.Context, name string) (dns.TLSAAnswer, error)
}

// Usages of a certificate (RFC 6698 §2.1.1). PKIX-TA(0) and PKIX-EE(1) are of no use
// to SMTP, which has no public authorities that everybody believes (RFC 7672 §3.1.3).
const (
	usageTA = 2 // a trust anchor: it has issued the server's certificate
	usageEE = 3 // the server's certificate itself
)

// What of a certificate is compared (RFC 6698 §2.1.2), and how (§2.1.3).
const (
	wholeCertificate = 0
	publicKey        = 1

	asItIs = 0
	sha2x2 = 1 // SHA-256
	sha2x5 = 2 // SHA-512
)

// Policy is what a host's records ask for. The zero Policy asks for nothing.
type Policy struct {
	// Host is the name at which the records were found (RFC 7672 §2.2.3: the TLSA base
	// domain), which TLS has to ask for.
	Host string
	// Records are those that can be used. Without any, the server must speak TLS all
	// the same, but cannot prove who it is (RFC 7672 §2.2).
	Records []dns.TLSA
}

// Requires says that mail must not go to the host without TLS.
func (p Policy) Requires() bool { return p.Host != "" }

// Proves says that the host has to prove who it is: see Verify.
func (p Policy) Proves() bool { return len(p.Records) > 0 }

// Lookup finds the records of a service of a host. The hosts are the names by which it
// goes, the one that its aliases lead to first (RFC 7672 §2.2.3); the first that has
// records counts. An error means that the host must not be used for now.
func Lookup(ctx context.Context, r Resolver, port uint16, hosts ...string) (Policy, error) {
	for _, host := range hosts {
		answer, err := r.TLSA(ctx, "_"+strconv.Itoa(int(port))+"._tcp."+host)
		switch {
		case fault.Is(err, fault.NotFound):
			continue
		case err != nil:
			return Policy{}, fault.New(fault.KindOf(err), "dane: %w", err)
		case !answer.Authentic:
			continue
		}
		p := Policy{Host: host}
		for _, record := range answer.Records {
			if isUsable(record) && !slices.ContainsFunc(p.Records, func(other dns.TLSA) bool { return spell(other) == spell(record) }) {
				p.Records = append(p.Records, record)
			}
		}
		return p, nil
	}
	return Policy{}, nil
}

// isUsable says that a record is one that can be compared with something.
func isUsable(r dns.TLSA) bool {
	if r.Usage != usageTA && r.Usage != usageEE || r.Selector != wholeCertificate && r.Selector != publicKey {
		return false
	}
	switch r.MatchingType {
	case asItIs:
		return len(r.Data) > 0
	case sha2x2:
		return len(r.Data) == 32
	case sha2x5:
		return len(r.Data) == 64
	}
	return false
}

// spell writes a record as a zone file does.
func spell(r dns.TLSA) string {
	return fmt.Sprintf("%d %d %d %x", r.Usage, r.Selector, r.MatchingType, r.Data)
}

// String is a record after the other, as reports want them (RFC 8460 §4.4).
func (p Policy) String() string {
	var lines []string
	for _, r := range p.Records {
		lines = append(lines, spell(r))
	}
	return strings.Join(lines, "\n")
}

// Key is the same for policies that ask for the same, and short.
func (p Policy) Key() string {
	if !p.Requires() {
		return ""
	}
	sum := sha256.Sum256([]byte(p.String()))
	return p.Host + " " + base64.RawStdEncoding.EncodeToString(sum[:])
}
