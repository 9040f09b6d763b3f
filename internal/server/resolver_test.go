package server

import (
	"net/netip"
	"testing"

	"posthorn/internal/config"
	"posthorn/internal/dns/dnstest"
)

func TestTrust(t *testing.T) {
	here, there := netip.MustParseAddrPort("127.0.0.1:53"), netip.MustParseAddrPort("192.0.2.53:53")
	yes, no := true, false
	for _, tc := range []struct {
		servers []netip.AddrPort
		trust   *bool
		want    bool
	}{
		{[]netip.AddrPort{here}, nil, true},
		{[]netip.AddrPort{here, there}, nil, false},
		{[]netip.AddrPort{there}, nil, false},
		{[]netip.AddrPort{there}, &yes, true},
		{[]netip.AddrPort{here}, &no, false},
	} {
		o := resolverOptions(config.DNS{Servers: tc.servers, TrustAD: tc.trust}, nil)
		if o.TrustAD != tc.want || len(o.Servers) != len(tc.servers) {
			t.Errorf("%v, %v: %+v", tc.servers, tc.trust, o)
		}
	}
}

// One resolver serves the whole server, and a reload tells it whom to ask.
func TestResolver(t *testing.T) {
	const name = "example.test"
	before, after := dnstest.New(t, "example.test TXT before"), dnstest.New(t, "example.test TXT after")
	c := testConfig(t, config.SMTP)
	c.DNS.Servers = []netip.AddrPort{before.Listen()}
	s, _ := start(t, c)
	ask := func(want string) {
		t.Helper()
		answer, err := s.resolver.TXT(t.Context(), name)
		if err != nil || len(answer.Texts) != 1 || answer.Texts[0] != want {
			t.Errorf("%+v, %v; want %s", answer, err, want)
		}
	}
	ask("before")
	next := *c
	next.DNS.Servers = []netip.AddrPort{after.Listen()}
	if err := s.Reload(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	ask("after")
}
