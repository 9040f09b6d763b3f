package main

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/miekg/dns"
)

// names is the name server of the world: MX and A records of the domains, and
// nothing of any other name.
type names struct {
	udp, tcp *dns.Server
	domains  int
	asked    atomic.Int64
}

func serveNames(domains int) (*names, error) {
	n := &names{domains: domains}
	pc, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:53")
	if err != nil {
		return nil, errors.Join(err, pc.Close())
	}
	n.udp, n.tcp = &dns.Server{PacketConn: pc, Handler: n}, &dns.Server{Listener: l, Handler: n}
	go func() { _ = n.udp.ActivateAndServe() }() // until close
	go func() { _ = n.tcp.ActivateAndServe() }()
	return n, nil
}

func (n *names) close() { _ = errors.Join(n.udp.Shutdown(), n.tcp.Shutdown()) }

const ttl = 300

// ServeDNS answers a question.
func (n *names) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	n.asked.Add(1)
	reply := new(dns.Msg).SetReply(q)
	reply.RecursionAvailable = true
	question := q.Question[0]
	name := strings.ToLower(question.Name)
	domain, host := n.find(name)
	header := dns.RR_Header{Name: question.Name, Rrtype: question.Qtype, Class: dns.ClassINET, Ttl: ttl}
	switch {
	case domain < 0 || kindOf(domain) == absent:
		reply.Rcode = dns.RcodeNameError
	case !host && question.Qtype == dns.TypeMX:
		reply.Answer = []dns.RR{&dns.MX{Hdr: header, Preference: 10, Mx: "mx." + name}}
	case host && question.Qtype == dns.TypeA:
		reply.Answer = []dns.RR{&dns.A{Hdr: header, A: addressOf(domain)}}
	}
	if len(reply.Answer) == 0 { // RFC 2308: how long that may be remembered
		reply.Ns = []dns.RR{&dns.SOA{
			Hdr: dns.RR_Header{Name: "test.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl},
			Ns:  "ns.test.", Mbox: "hostmaster.test.", Serial: 1, Refresh: ttl, Retry: ttl, Expire: ttl, Minttl: ttl,
		}}
	}
	_ = w.WriteMsg(reply) // who has gone does not want it any more
}

// find says which domain a name belongs to, and whether it is that of its host; -1: to
// none. The senders' own domain is the first one.
func (n *names) find(name string) (domain int, host bool) {
	name, host = strings.CutPrefix(name, "mx.")
	if name == senderDomain+"." {
		return 0, host
	}
	number, ok := strings.CutSuffix(name, domainSuffix+".")
	domain, err := strconv.Atoi(strings.TrimPrefix(number, "d"))
	if !ok || err != nil || domain >= n.domains {
		return -1, false
	}
	return domain, host
}
