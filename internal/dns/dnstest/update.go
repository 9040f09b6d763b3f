package dnstest

import (
	"time"

	miekg "github.com/miekg/dns"
)

// What signs updates, as text and as tsig-keygen writes it.
const (
	updateSecret = "c2VjcmV0IG9mIHRoZSB0ZXN0cw=="
	updateName   = "updater."
	UpdateKey    = "key \"updater\" {\n\talgorithm hmac-sha256;\n\tsecret \"" + updateSecret + "\";\n};\n"
)

// updatable says who may change what.
type updatable struct {
	zone  string
	count int
}

// TakeUpdates lets whoever has the UpdateKey change records in a zone, over TCP (RFC 2136).
func (s *Server) TakeUpdates(zone string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.updates = &updatable{zone: fqdn(zone)}
}

// Updates is how many changes there were.
func (s *Server) Updates() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.updates.count
}

// isSigned says whether a message is one that only updaters send: changes, and their
// question for the zone.
func (s *Server) isSigned(m *miekg.Msg) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.updates != nil && (m.Opcode == miekg.OpcodeUpdate || m.IsTsig() != nil || m.Question[0].Qtype == miekg.TypeSOA)
}

// updater answers one.
func (s *Server) updater(query []byte, m *miekg.Msg) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply := new(miekg.Msg).SetReply(m)
	signature := m.IsTsig()
	mac := ""
	switch {
	case signature == nil:
		reply.Rcode = miekg.RcodeRefused
	case signature.Hdr.Name != updateName || miekg.TsigVerify(query, updateSecret, "", false) != nil:
		reply.Rcode = miekg.RcodeNotAuth
	default:
		mac = signature.MAC
		s.update(m, reply)
		reply.SetTsig(updateName, miekg.HmacSHA256, 300, time.Now().Unix())
	}
	if mac == "" {
		packed, err := reply.Pack()
		if err != nil {
			s.t.Error(err)
		}
		return packed
	}
	packed, _, err := miekg.TsigGenerate(reply, updateSecret, mac, false)
	if err != nil {
		s.t.Error(err)
	}
	return packed
}

// update does what an update asks for, and says which zone a name is in.
func (s *Server) update(m, reply *miekg.Msg) {
	q := m.Question[0]
	soa := &miekg.SOA{
		Hdr: miekg.RR_Header{Name: s.updates.zone, Rrtype: miekg.TypeSOA, Class: miekg.ClassINET, Ttl: 60},
		Ns:  "ns." + s.updates.zone, Mbox: "hostmaster." + s.updates.zone, Serial: 1, Refresh: 60, Retry: 60, Expire: 60, Minttl: 60,
	}
	switch inZone := miekg.IsSubDomain(s.updates.zone, fqdn(q.Name)); {
	case !inZone:
		reply.Rcode = miekg.RcodeRefused
	case m.Opcode != miekg.OpcodeUpdate:
		reply.Ns = []miekg.RR{soa}
	case fqdn(q.Name) != s.updates.zone:
		reply.Rcode = miekg.RcodeNotZone
	default:
		s.updates.count++
		z := &zone{rules: s.zone.rules}
		removed := map[string]bool{}
		var added []miekg.RR
		for _, rr := range m.Ns {
			switch rr.Header().Class {
			case miekg.ClassINET:
				added = append(added, rr)
			case miekg.ClassNONE: // RFC 2136 §2.5.4: delete just this one
				removed[identity(rr)] = true
			}
		}
		for _, rr := range s.zone.records {
			if !removed[identity(rr)] {
				z.records = append(z.records, rr)
			}
		}
		z.records = append(z.records, added...)
		s.zone = z
	}
}

// identity is a record without its TTL and class.
func identity(rr miekg.RR) string {
	c := miekg.Copy(rr)
	c.Header().Ttl, c.Header().Class, c.Header().Rdlength = 0, miekg.ClassINET, 0
	c.Header().Name = fqdn(c.Header().Name)
	return c.String()
}
