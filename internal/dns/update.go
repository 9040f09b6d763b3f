package dns

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	miekg "github.com/miekg/dns"

	"posthorn/internal/fault"
)

const (
	updateTime = 10 * time.Second // for each conversation
	updateTTL  = 60               // seconds
)

// Updater changes records of zones whose server lets it (RFC 2136).
type Updater struct {
	Server string // host:port of the primary server
	Key    *Key   // which signs the changes; nil: the server knows us by our address
}

// Key is a key that a server and its clients share (RFC 8945).
type Key struct {
	name, algorithm, secret string
}

// ReadKey reads a key from a file as tsig-keygen writes it. Kind of error: Invalid.
func ReadKey(file string) (*Key, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.New(fault.Invalid, "dns: %w", err)
	}
	k, ok := parseKey(string(text))
	if !ok {
		return nil, fault.New(fault.Invalid, `dns: %s is no key; want key "name" { algorithm hmac-sha256; secret "base64"; }; as tsig-keygen writes it`, file)
	}
	return k, nil
}

func parseKey(text string) (*Key, bool) {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("{};\" \t\r\n", r) })
	var k Key
	for i := 0; i+1 < len(words); i += 2 {
		switch value := words[i+1]; words[i] {
		case "key":
			k.name = miekg.CanonicalName(value)
		case "algorithm":
			k.algorithm = miekg.CanonicalName(value)
		case "secret":
			k.secret = value
		}
	}
	known := k.algorithm == miekg.HmacSHA256 || k.algorithm == miekg.HmacSHA384 || k.algorithm == miekg.HmacSHA512 || k.algorithm == miekg.HmacSHA1
	return &k, k.name != "" && k.secret != "" && known
}

// AddTXT adds a record to those at a name.
func (u *Updater) AddTXT(ctx context.Context, name, text string) error {
	return u.change(ctx, name, text, (*miekg.Msg).Insert)
}

// RemoveTXT removes a record, and leaves the others at its name alone.
func (u *Updater) RemoveTXT(ctx context.Context, name, text string) error {
	return u.change(ctx, name, text, (*miekg.Msg).Remove)
}

func (u *Updater) change(ctx context.Context, name, text string, how func(*miekg.Msg, []miekg.RR)) error {
	zone, err := u.zone(ctx, name)
	if err != nil {
		return err
	}
	m := new(miekg.Msg).SetUpdate(zone)
	how(m, []miekg.RR{&miekg.TXT{
		Hdr: miekg.RR_Header{Name: miekg.Fqdn(name), Rrtype: miekg.TypeTXT, Class: miekg.ClassINET, Ttl: updateTTL},
		Txt: []string{text},
	}})
	reply, err := u.ask(ctx, m)
	if err == nil && reply.Rcode != miekg.RcodeSuccess {
		err = fault.New(fault.Unavailable, "it says %s", rcode(reply.Rcode))
	}
	if err != nil {
		return fault.New(fault.Unavailable, "dns: %s does not change %s in zone %s: %w", u.Server, name, zone, err)
	}
	return nil
}

// zone asks the server in which of its zones a name is: the SOA record of that stands
// in the answer, or beside it.
func (u *Updater) zone(ctx context.Context, name string) (string, error) {
	reply, err := u.ask(ctx, new(miekg.Msg).SetQuestion(miekg.Fqdn(name), miekg.TypeSOA))
	if err != nil {
		return "", fault.New(fault.Unavailable, "dns: %s: %w", u.Server, err)
	}
	for _, section := range [][]miekg.RR{reply.Answer, reply.Ns} {
		for _, rr := range section {
			if soa, ok := rr.(*miekg.SOA); ok && miekg.IsSubDomain(soa.Hdr.Name, miekg.Fqdn(name)) {
				return soa.Hdr.Name, nil
			}
		}
	}
	return "", fault.New(fault.Unavailable, "dns: %s does not say in which of its zones %s is (%s)", u.Server, name, rcode(reply.Rcode))
}

// ask has one conversation over TCP, signed if there is a key.
func (u *Updater) ask(ctx context.Context, m *miekg.Msg) (*miekg.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, updateTime)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", u.Server)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	query, mac, err := u.sign(m)
	if err != nil {
		return nil, err
	}
	if _, err := nc.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(nc, length[:]); err != nil {
		return nil, err
	}
	text := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(nc, text); err != nil {
		return nil, err
	}
	return u.check(m, text, mac)
}

func (u *Updater) sign(m *miekg.Msg) (query []byte, mac string, err error) {
	if u.Key == nil {
		query, err = m.Pack()
		return query, "", err
	}
	m.SetTsig(u.Key.name, u.Key.algorithm, 300, time.Now().Unix())
	return miekg.TsigGenerate(m, u.Key.secret, "", false)
}

// check reads a reply, which must be to what was asked, and of somebody who has the
// key. A server that does not know the key says so without a signature.
func (u *Updater) check(m *miekg.Msg, text []byte, mac string) (*miekg.Msg, error) {
	reply := new(miekg.Msg)
	if err := reply.Unpack(text); err != nil {
		return nil, fmt.Errorf("its reply is broken: %w", err)
	}
	if reply.Id != m.Id || !reply.Response || reply.Opcode != m.Opcode {
		return nil, fault.New(fault.Invalid, "its reply is to another question")
	}
	if u.Key == nil {
		return reply, nil
	}
	signature := reply.IsTsig()
	switch {
	case signature != nil && signature.Error != 0:
		return nil, fault.New(fault.Denied, "it does not accept the key: %s", rcode(int(signature.Error)))
	case signature == nil && reply.Rcode != miekg.RcodeSuccess:
		return nil, fault.New(fault.Denied, "it says %s", rcode(reply.Rcode))
	case signature == nil:
		return nil, fault.New(fault.Invalid, "its reply is not signed")
	}
	if err := miekg.TsigVerify(text, u.Key.secret, mac, false); err != nil {
		return nil, fault.New(fault.Invalid, "its reply: %w", err)
	}
	return reply, nil
}
