package outbound

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// headStart is how long an address may be alone in trying to connect before the
// next one joins it (RFC 8305 §5).
const headStart = 250 * time.Millisecond

// dialed is what came of one address.
type dialed struct {
	nc  net.Conn
	ip  netip.Addr
	err error
}

// connect opens a connection to the address of a target that answers first, the
// earlier ones having a head start. It returns the addresses that are left to try,
// and the errors of the others if none has answered.
func (o *Outbound) connect(ctx context.Context, r *Route, t *target) (won dialed, left []netip.Addr, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var racers sync.WaitGroup
	results := make(chan dialed, len(t.addrs))
	defer func() { // those that come too late are sent home
		cancel()
		racers.Wait()
		for len(results) > 0 {
			if late := <-results; late.nc != nil {
				late.nc.Close()
			}
		}
	}()

	var failed []netip.Addr
	var errs []error
	started := 0
	start := func() {
		ip := t.addrs[started]
		started++
		racers.Go(func() { results <- o.dialOne(ctx, r, ip, t.port) })
	}
	next := time.NewTimer(headStart)
	defer next.Stop()
	for start(); ; {
		if started == len(t.addrs) {
			next.Stop()
		}
		select {
		case <-next.C:
			start()
		case result := <-results:
			if result.err == nil {
				done := append(failed, result.ip)
				return result, slices.DeleteFunc(slices.Clone(t.addrs), func(ip netip.Addr) bool { return slices.Contains(done, ip) }), nil
			}
			failed, errs = append(failed, result.ip), append(errs, result.err)
			if len(failed) == len(t.addrs) || ctx.Err() != nil {
				return dialed{}, nil, errors.Join(errs...)
			}
			if len(failed) == started {
				start()
			}
		}
		next.Reset(headStart)
	}
}

func (o *Outbound) dialOne(ctx context.Context, r *Route, ip netip.Addr, port uint16) dialed {
	ctx, cancel := context.WithTimeout(ctx, o.o.Connect)
	defer cancel()
	address := net.JoinHostPort(ip.String(), strconv.Itoa(int(port)))
	nc, err := o.o.Dial(ctx, r.source(ip), "tcp", address)
	return dialed{nc, ip, err}
}

// connectSocket opens a connection to a Unix socket.
func (o *Outbound) connectSocket(ctx context.Context, t *target) (dialed, error) {
	ctx, cancel := context.WithTimeout(ctx, o.o.Connect)
	defer cancel()
	nc, err := o.o.Dial(ctx, netip.Addr{}, "unix", t.socket)
	return dialed{nc: nc, err: err}, err
}
