package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"time"

	"posthorn/internal/fault"
)

// The PROXY protocol, versions 1 and 2, as HAProxy defines it: one header before
// everything else, in which a proxy says whom it speaks for. It is required from
// the networks in Options.ProxyFrom and from nobody else: a client could claim
// any address.

const (
	proxyV1Max = 107 // bytes, the longest line of version 1
	proxyV2Max = 4 << 10
	proxyV2Sig = "\r\n\r\n\x00\r\nQUIT\n"
)

var (
	errProxyShort   = errors.New("more bytes needed")
	errProxyInvalid = errors.New("not a PROXY header")
)

// proxyHeader is what a proxy says of the connection. The addresses are invalid
// when it speaks for itself (a health check).
type proxyHeader struct {
	src, dst netip.AddrPort
}

// readProxyHeader takes the client's address from the proxy's header.
func (c *Conn) readProxyHeader() error {
	idle := c.idle
	c.SetIdleTimeout(min(idle, c.srv.o.TLSTimeout))
	defer c.SetIdleTimeout(idle)
	for {
		h, n, err := parseProxy(c.Buffered())
		if err == nil {
			c.r += n
			c.introduce(h)
			return nil
		}
		if !errors.Is(err, errProxyShort) {
			c.readErr = fault.New(fault.Invalid, "wire: PROXY: %w", err)
			return c.readErr
		}
		if err := c.Fill(); err != nil {
			return err
		}
	}
}

// introduce makes the client of a proxy the peer.
func (c *Conn) introduce(h proxyHeader) {
	c.opened = time.Now()
	if h.src.IsValid() {
		c.remote, c.local = h.src, h.dst
		c.log = nil
	}
}

// parseProxy parses the header that b begins with and gives its length. It is
// strict: what is not a header to the letter is refused, errProxyShort asks for
// more.
func parseProxy(b []byte) (h proxyHeader, n int, err error) {
	switch {
	case hasPrefixSoFar(b, proxyV2Sig):
		return parseProxyV2(b)
	case hasPrefixSoFar(b, "PROXY "):
		return parseProxyV1(b)
	}
	return h, 0, errProxyInvalid
}

// hasPrefixSoFar reports whether b may still turn out to begin with prefix.
func hasPrefixSoFar(b []byte, prefix string) bool {
	n := min(len(b), len(prefix))
	return string(b[:n]) == prefix[:n]
}

// parseProxyV1 parses "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n".
func parseProxyV1(b []byte) (h proxyHeader, n int, err error) {
	i := bytes.IndexByte(b[:min(len(b), proxyV1Max)], '\n')
	switch {
	case i < 0 && len(b) < proxyV1Max:
		return h, 0, errProxyShort
	case i < 1 || b[i-1] != '\r':
		return h, 0, errProxyInvalid
	}
	fields := bytes.Split(b[:i-1], []byte{' '})
	if len(fields) >= 2 && string(fields[1]) == "UNKNOWN" {
		return h, i + 1, nil // what follows is to be ignored
	}
	if len(fields) != 6 {
		return h, 0, errProxyInvalid
	}
	is4 := string(fields[1]) == "TCP4"
	if !is4 && string(fields[1]) != "TCP6" {
		return h, 0, errProxyInvalid
	}
	src, ok1 := proxyAddr(fields[2], fields[4], is4)
	dst, ok2 := proxyAddr(fields[3], fields[5], is4)
	if !ok1 || !ok2 {
		return h, 0, errProxyInvalid
	}
	return proxyHeader{src, dst}, i + 1, nil
}

func proxyAddr(host, port []byte, is4 bool) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(string(host))
	if err != nil || a.Is4() != is4 || a.Zone() != "" {
		return netip.AddrPort{}, false
	}
	if len(port) == 0 || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, false
	}
	p, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), true
}

// parseProxyV2 parses the binary form: signature, version and command, family
// and transport, length, addresses, and extensions that are skipped.
func parseProxyV2(b []byte) (h proxyHeader, n int, err error) {
	const fixed = 16
	if len(b) < fixed {
		return h, 0, errProxyShort
	}
	version, command, family := b[12]>>4, b[12]&0xf, b[13]
	size := int(binary.BigEndian.Uint16(b[14:]))
	if version != 2 || command > 1 || size > proxyV2Max {
		return h, 0, errProxyInvalid
	}
	addrLen := 0
	switch {
	case command == 0: // LOCAL: the proxy speaks for itself, the rest is to be ignored
	case family == 0x11: // TCP over IPv4
		addrLen = 4
	case family == 0x21: // TCP over IPv6
		addrLen = 16
	default:
		return h, 0, errProxyInvalid
	}
	if size < 2*addrLen+4 && addrLen > 0 {
		return h, 0, errProxyInvalid
	}
	if len(b) < fixed+size {
		return h, 0, errProxyShort
	}
	if addrLen > 0 {
		src, _ := netip.AddrFromSlice(b[fixed:][:addrLen])
		dst, _ := netip.AddrFromSlice(b[fixed+addrLen:][:addrLen])
		ports := b[fixed+2*addrLen:]
		h.src = netip.AddrPortFrom(src.Unmap(), binary.BigEndian.Uint16(ports))
		h.dst = netip.AddrPortFrom(dst.Unmap(), binary.BigEndian.Uint16(ports[2:]))
	}
	return h, fixed + size, nil
}
