package wire

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

const (
	v2TCP4  = proxyV2Sig + "\x21\x11\x00\x0c" + "\xc0\x00\x02\x01" + "\xc6\x33\x64\x01" + "\xdc\x04\x00\x19"
	v2TCP6  = proxyV2Sig + "\x21\x21\x00\x24" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + "\xdc\x04\x00\x19"
	v2TLV   = proxyV2Sig + "\x21\x11\x00\x10" + "\xc0\x00\x02\x01" + "\xc6\x33\x64\x01" + "\xdc\x04\x00\x19" + "\x04\x00\x01x"
	v2Local = proxyV2Sig + "\x20\x00\x00\x00"
)

func TestParseProxy(t *testing.T) {
	for in, src := range map[string]string{
		"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n":  "192.0.2.1:56324",
		"PROXY TCP6 2001:db8::1 2001:db8::2 56324 25\r\n": "[2001:db8::1]:56324",
		"PROXY UNKNOWN\r\n": "",
		"PROXY UNKNOWN ffff:f...f ffff:f...f 65535 65535\r\n": "",
		v2TCP4:  "192.0.2.1:56324",
		v2TCP6:  "[2001:db8::1]:56324",
		v2TLV:   "192.0.2.1:56324",
		v2Local: "",
	} {
		var want netip.AddrPort
		if src != "" {
			want = netip.MustParseAddrPort(src)
		}
		h, n, err := parseProxy([]byte(in + "EHLO x\r\n"))
		if err != nil || n != len(in) || h.src != want {
			t.Errorf("%q: %v, %d, %v", in, h.src, n, err)
		}
		for i := range in {
			if _, _, err := parseProxy([]byte(in[:i])); !errors.Is(err, errProxyShort) {
				t.Errorf("%q: %v, want more", in[:i], err)
			}
		}
	}
}

func TestParseProxyGarbage(t *testing.T) {
	for _, in := range []string{
		"EHLO x\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\n",
		"PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25 \r\n",
		"PROXY  TCP4 192.0.2.1 198.51.100.1 56324 25\r\n",
		"PROXY TCP4 2001:db8::1 198.51.100.1 56324 25\r\n",
		"PROXY TCP6 192.0.2.1 2001:db8::2 56324 25\r\n",
		"PROXY TCP6 fe80::1%eth0 2001:db8::2 56324 25\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.1 +5 25\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.1 05 25\r\n",
		"PROXY TCP4 192.0.2.01 198.51.100.1 5 25\r\n",
		"PROXY UDP4 192.0.2.1 198.51.100.1 5 25\r\n",
		"proxy TCP4 192.0.2.1 198.51.100.1 5 25\r\n",
		"PROXY " + strings.Repeat("x", 101),
		strings.Replace(v2TCP4, "\x21\x11", "\x11\x11", 1),                 // version 1
		strings.Replace(v2TCP4, "\x21\x11", "\x22\x11", 1),                 // unknown command
		strings.Replace(v2TCP4, "\x21\x11", "\x21\x12", 1),                 // UDP
		strings.Replace(v2TCP4, "\x00\x0c", "\x00\x0b", 1),                 // too short for its addresses
		strings.Replace(v2TCP4, "\x00\x0c", "\xff\xff", 1),                 // longer than anybody's
		strings.Replace(v2TCP4, "\x21\x11\x00\x0c", "\x21\x00\x00\x0c", 1), // unspecified family with PROXY
	} {
		if h, n, err := parseProxy([]byte(in)); !errors.Is(err, errProxyInvalid) {
			t.Errorf("%q: %v, %d, %v", in, h, n, err)
		}
	}
}

func FuzzParseProxy(f *testing.F) {
	for _, s := range []string{"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n", "PROXY UNKNOWN\r\n", v2TCP4, v2TCP6, v2TLV, v2Local} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := parseProxy(b)
		switch {
		case err != nil:
			if n != 0 || h != (proxyHeader{}) {
				t.Fatal("an error with a result")
			}
			// What is invalid stays invalid, and more is not asked for without end.
			_, _, again := parseProxy(append(b[:len(b):len(b)], "x"...))
			if errors.Is(err, errProxyInvalid) && !errors.Is(again, errProxyInvalid) {
				t.Fatal("more input made it valid")
			}
			if errors.Is(err, errProxyShort) && len(b) > 16+proxyV2Max {
				t.Fatal("asks for more than any header has")
			}
		case n > len(b) || h.src.IsValid() != h.dst.IsValid():
			t.Fatalf("%d of %d bytes, %v %v", n, len(b), h.src, h.dst)
		default:
			again, m, err := parseProxy(b[:n])
			if err != nil || m != n || again != h {
				t.Fatal("depends on what follows")
			}
		}
	})
}
