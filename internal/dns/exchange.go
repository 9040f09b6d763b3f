package dns

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	miekg "github.com/miekg/dns"

	"posthorn/internal/fault"
)

// udpSize is the largest datagram that we ask for: it passes everywhere without
// being cut to pieces.
const udpSize = 1232

// ask puts a question to the servers in turn, until one knows the answer.
func (s *stub) ask(ctx context.Context, q question) (digested, error) {
	var last error
	preferred := int(s.preferred.Load())
	for n := range s.o.Attempts * len(s.o.Servers) {
		i := (preferred + n) % len(s.o.Servers)
		reply, err := s.askServer(ctx, s.o.Servers[i], q)
		if err == nil {
			s.preferred.Store(int32(i))
			return s.digest(q, reply)
		}
		if err := ended(ctx); err != nil {
			return digested{}, fault.New(fault.Canceled, "%w", err)
		}
		last = fault.New(fault.Unavailable, "server %v: %w", s.o.Servers[i], err)
	}
	return digested{}, last
}

// ended is why ctx has ended, if it has. A connection with the same deadline may
// have noticed a moment earlier.
func ended(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// askServer puts a question to one server. What comes without an error is a reply
// that says something about the name.
func (s *stub) askServer(ctx context.Context, server netip.AddrPort, q question) (*miekg.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	m := new(miekg.Msg).SetQuestion(q.name, q.qtype)
	m.AuthenticatedData = true // RFC 6840 §5.7: we would like to know, and need no proof
	m.SetEdns0(udpSize, false)
	reply, err := s.exchange(ctx, server, m)
	if err == nil && (reply.Rcode == miekg.RcodeFormatError || reply.Rcode == miekg.RcodeNotImplemented) {
		m.Extra = nil // RFC 6891 §7: it may be older than EDNS
		reply, err = s.exchange(ctx, server, m)
	}
	switch {
	case err != nil:
		return nil, err
	case reply.Rcode == miekg.RcodeSuccess, reply.Rcode == miekg.RcodeNameError:
		return reply, nil
	}
	return nil, fault.New(fault.Unavailable, "it says %s%s", rcode(reply.Rcode), reason(reply))
}

func rcode(code int) string {
	if name, ok := miekg.RcodeToString[code]; ok {
		return name
	}
	return "an unknown code"
}

// reason is what the server adds for people (RFC 8914).
func reason(reply *miekg.Msg) string {
	opt := reply.IsEdns0()
	if opt == nil {
		return ""
	}
	for _, o := range opt.Option {
		if e, ok := o.(*miekg.EDNS0_EDE); ok {
			text := strings.TrimSpace(miekg.ExtendedErrorCodeToString[e.InfoCode] + " " + e.ExtraText)
			return " (" + strings.Map(printable, text) + ")"
		}
	}
	return ""
}

func printable(c rune) rune {
	if c < ' ' || c == 0x7f {
		return '?'
	}
	return c
}

// exchange sends a query and receives its reply, by TCP if it is too large for UDP
// (RFC 7766 §5).
func (s *stub) exchange(ctx context.Context, server netip.AddrPort, m *miekg.Msg) (*miekg.Msg, error) {
	reply, err := s.over(ctx, "udp", server, m)
	if err == nil && reply.Truncated {
		return s.over(ctx, "tcp", server, m)
	}
	return reply, err
}

func (s *stub) over(ctx context.Context, network string, server netip.AddrPort, m *miekg.Msg) (*miekg.Msg, error) {
	query, err := m.Pack()
	if err != nil {
		return nil, err
	}
	nc, err := s.o.Dial(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	if deadline, ok := ctx.Deadline(); ok {
		nc.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if network == "tcp" {
		return overStream(nc, m, query)
	}
	return overDatagrams(nc, m, query)
}

// overDatagrams waits past everything that is not the reply: late ones to others,
// and what somebody made up who could guess the port but not the query.
func overDatagrams(nc net.Conn, m *miekg.Msg, query []byte) (*miekg.Msg, error) {
	if _, err := nc.Write(query); err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	for {
		n, err := nc.Read(buf)
		if err != nil {
			return nil, err
		}
		reply := new(miekg.Msg)
		if err := reply.Unpack(buf[:n]); err == nil && answers(reply, m) {
			return reply, nil
		}
		// What cannot be unpacked may be the reply, cut off without a word.
		if reply.Truncated && answers(reply, m) {
			return reply, nil
		}
	}
}

// overStream frames messages with their length (RFC 1035 §4.2.2).
func overStream(nc net.Conn, m *miekg.Msg, query []byte) (*miekg.Msg, error) {
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	if _, err := nc.Write(framed); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(nc, length[:]); err != nil {
		return nil, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(nc, buf); err != nil {
		return nil, err
	}
	reply := new(miekg.Msg)
	if err := reply.Unpack(buf); err != nil {
		return nil, fault.New(fault.Invalid, "its reply is broken: %w", err)
	}
	if !answers(reply, m) {
		return nil, fault.New(fault.Invalid, "its reply is to another question")
	}
	return reply, nil
}

// answers says that a message is the reply to the query m (RFC 5452 §9.1).
func answers(reply, m *miekg.Msg) bool {
	if !reply.Response || reply.Id != m.Id || reply.Opcode != miekg.OpcodeQuery {
		return false
	}
	if len(reply.Question) == 0 { // some do so with FORMERR
		return reply.Rcode == miekg.RcodeFormatError
	}
	asked, got := m.Question[0], reply.Question[0]
	return len(reply.Question) == 1 && got.Qtype == asked.Qtype && got.Qclass == asked.Qclass &&
		strings.EqualFold(got.Name, asked.Name)
}
