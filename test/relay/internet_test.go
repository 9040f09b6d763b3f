package relay

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"

	"posthorn/internal/dns/dnstest"
)

// internet is where servers find each other: a name server, and who answers at
// which address.
type internet struct {
	t   *testing.T
	dns *dnstest.Server

	mu    sync.Mutex
	doors map[string]func() net.Conn // by address, with its port
}

func newInternet(t *testing.T, zone string) *internet {
	return &internet{t: t, dns: dnstest.New(t, zone), doors: map[string]func() net.Conn{}}
}

// listen has somebody answer at an address; nil: nobody any more.
func (n *internet) listen(address string, dial func() net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.doors[address] = dial
}

// dial is for outbound.Options.
func (n *internet) dial(_ context.Context, _ netip.Addr, network, address string) (net.Conn, error) {
	n.mu.Lock()
	open := n.doors[address]
	n.mu.Unlock()
	if open == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	return open(), nil
}
