package dns

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"posthorn/internal/fault"
)

func TestParseSystem(t *testing.T) {
	got, err := parseSystem(strings.NewReader(`# made by somebody
search example.test
nameserver 192.0.2.1
nameserver  2001:db8::1
nameserver fe80::1%eth0
nameserver nonsense
nameserver
options edns0 trust-ad timeout:7 attempts:99
options timeout:x rotate
`))
	want := Options{
		Servers: []netip.AddrPort{
			netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("[2001:db8::1]:53"),
			netip.MustParseAddrPort("[fe80::1%eth0]:53"),
		},
		TrustAD: true, Timeout: 7 * time.Second, Attempts: 5,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := System("testdata/nowhere"); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

// FuzzDigest makes sense of any bytes that a server may send.
func FuzzDigest(f *testing.F) {
	const name = "example.test."
	m := new(miekg.Msg).SetQuestion(name, miekg.TypeMX)
	for _, text := range []string{"example.test. MX 10 a.test.", "example.test. CNAME b.test.", "example.test. A 192.0.2.1"} {
		rr, err := miekg.NewRR(text)
		if err != nil {
			f.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
		packed, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed, miekg.TypeMX)
	}
	r := newStub(Options{TrustAD: true})
	f.Fuzz(func(t *testing.T, packet []byte, qtype uint16) {
		reply := new(miekg.Msg)
		if reply.Unpack(packet) != nil {
			return
		}
		answers(reply, m)
		reason(reply)
		d, err := r.digest(question{name, qtype}, reply)
		if err != nil {
			return
		}
		if len(d.records) > 0 && (d.unfinished || d.noSuchName) || d.aliases > maxAliases {
			t.Errorf("%+v", d)
		}
		for _, rr := range d.records {
			if h := rr.Header(); h.Rrtype != qtype || !strings.EqualFold(h.Name, d.name) {
				t.Errorf("%v is no answer to %s", rr, d.name)
			}
		}
		if d.unfinished && d.name == name {
			t.Error("unfinished at its start")
		}
	})
}

func FuzzUnescape(f *testing.F) {
	f.Add("plain")
	f.Add("caf\xc3\xa9 \"quoted\" \\ \x00")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 255 {
			return
		}
		// What goes out as one string comes back as the same.
		data := append([]byte{byte(len(text))}, text...)
		rr, _, err := miekg.UnpackRRWithHeader(miekg.RR_Header{
			Name: "a.", Rrtype: miekg.TypeTXT, Class: miekg.ClassINET, Rdlength: uint16(len(data)),
		}, data, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := unescape(strings.Join(rr.(*miekg.TXT).Txt, "")); got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}
