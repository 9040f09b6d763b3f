package dnstest

import (
	miekg "github.com/miekg/dns"
)

// rcodes are the behaviours that are no more than a code.
var rcodes = map[string]int{
	"servfail": miekg.RcodeServerFailure, "refused": miekg.RcodeRefused,
	"formerr": miekg.RcodeFormatError, "notimp": miekg.RcodeNotImplemented,
}

// answer makes the reply to a query. It is nil where there is none, and empty where
// a TCP connection is to be closed.
func (s *Server) answer(query []byte, tcp bool) []byte {
	m := new(miekg.Msg)
	if err := m.Unpack(query); err != nil || len(m.Question) != 1 {
		s.t.Errorf("dnstest: not a query: %x, %v", query, err)
		return nil
	}
	if tcp && s.isSigned(m) {
		return s.updater(query, m)
	}
	q := m.Question[0]
	z := s.count(q)
	switch {
	case z.behaves(q, "timeout"):
		return nil
	case z.behaves(q, "garbage"):
		return []byte("HTTP/1.0 400 Bad Request\r\n\r\n")
	case z.behaves(q, "notcp") && tcp:
		return []byte{}
	}
	reply := z.reply(m, q)
	if !tcp {
		size := uint16(miekg.MinMsgSize)
		if opt := m.IsEdns0(); opt != nil {
			size = opt.UDPSize()
		}
		if z.behaves(q, "truncate") {
			reply.Answer, reply.Truncated = nil, true
		}
		if !z.behaves(q, "cut") {
			reply.Truncate(int(size))
		}
	}
	packed, err := reply.Pack()
	if err != nil {
		s.t.Errorf("dnstest: %v: %v", q, err)
		return nil
	}
	if z.behaves(q, "cut") && !tcp {
		packed[2] |= 2 // TC
		packed = packed[:len(packed)*2/3]
	}
	return packed
}

func (z *zone) reply(m *miekg.Msg, q miekg.Question) *miekg.Msg {
	reply := new(miekg.Msg).SetReply(m)
	reply.RecursionAvailable = true
	reply.Compress = true
	opt := m.IsEdns0()
	if opt != nil && z.behaves(q, "noedns") {
		reply.Rcode = miekg.RcodeFormatError
		return reply
	}
	if opt != nil {
		reply.SetEdns0(4096, false)
	}
	for behaviour, code := range rcodes {
		if z.behaves(q, behaviour) {
			reply.Rcode = code
			return reply
		}
	}
	switch {
	case z.behaves(q, "empty"):
		return reply
	case z.behaves(q, "stranger"):
		reply.Id++
	case z.behaves(q, "lie"):
		reply.Question[0].Name = "other.test."
	}
	z.resolve(reply, q)
	return reply
}

// resolve puts what the zone says into the reply.
func (z *zone) resolve(reply *miekg.Msg, q miekg.Question) {
	name, seen := q.Name, map[string]bool{}
	reply.AuthenticatedData = true
	for {
		records, alias := z.find(name, q.Qtype)
		reply.AuthenticatedData = reply.AuthenticatedData && z.signed(name)
		reply.Answer = append(reply.Answer, records...)
		if alias == nil {
			if len(records) == 0 {
				z.deny(reply, name)
			}
			return
		}
		reply.Answer = append(reply.Answer, alias)
		if seen[name] || z.behaves(q, "lazy") {
			return
		}
		seen[name] = true
		name = fqdn(alias.Target)
	}
}

// deny says that there is nothing, with the SOA of a zone that does not matter.
func (z *zone) deny(reply *miekg.Msg, name string) {
	if !z.exists(name) {
		reply.Rcode = miekg.RcodeNameError
	}
	reply.Ns = append(reply.Ns, &miekg.SOA{
		Hdr: miekg.RR_Header{Name: "test.", Rrtype: miekg.TypeSOA, Class: miekg.ClassINET, Ttl: 60},
		Ns:  "ns.test.", Mbox: "hostmaster.test.", Serial: 1, Refresh: 60, Retry: 60, Expire: 60, Minttl: 60,
	})
}
