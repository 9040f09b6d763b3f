package server

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"posthorn/internal/config"
	"posthorn/internal/dns"
	"posthorn/internal/mtasts"
	"posthorn/internal/outbound"
	"posthorn/internal/queue"
	"posthorn/internal/smtpclient"
	"posthorn/internal/tlsrpt"
)

const (
	// queueAgain is when to load a queue again that could not be loaded.
	queueAgain = 10 * time.Second
	// goodbye is how long a server may take that we take our leave of.
	goodbye = 2 * time.Second
)

// relay is the way out of the queue: it runs the queue, with what takes a job to
// other servers, or into our own mailboxes. A nil one does nothing.
type relay struct {
	data     *Data
	log      *slog.Logger
	resolver *dns.Resolver
	shelf    outbound.Shelf
	policies *mtasts.Cache
	sessions *tlsrpt.Counter
	reports  atomic.Pointer[tlsrpt.Options]
	out      atomic.Pointer[outbound.Outbound]
	turn     *turn // nil: nobody else can be at the engine
	running  *background
	cut      context.Context // done when deliveries must end at once
	cutNow   context.CancelFunc
}

// newRelay makes what start needs; nil if mail for other servers is refused.
func newRelay(c *config.Config, data *Data, resolver *dns.Resolver, log *slog.Logger) (*relay, error) {
	if !c.Queue.Enabled {
		return nil, nil
	}
	r := &relay{data: data, log: log, resolver: resolver, shelf: outbound.Shelf{Engine: data.engine}}
	r.policies = mtasts.New(mtasts.Options{Resolver: resolver, Store: r.shelf, Logger: log})
	r.setReports(c)
	r.sessions = tlsrpt.New(func() tlsrpt.Options { return *r.reports.Load() })
	r.cut, r.cutNow = context.WithCancel(context.Background())
	if c.Store.Engine == config.Postgres {
		r.turn = newTurn(data.engine, log)
	}
	out, err := r.outbound(c)
	if err != nil {
		return nil, err
	}
	r.out.Store(out)
	return r, nil
}

// outbound makes what talks to other servers, as a configuration wants it.
func (r *relay) outbound(c *config.Config) (*outbound.Outbound, error) {
	if r == nil {
		return nil, nil
	}
	ways, err := routes(c.Routes)
	if err != nil {
		return nil, err
	}
	return outbound.New(outbound.Options{
		Hostname: c.Hostname, Resolver: r.resolver, Policies: r.policies, Sessions: r.sessions,
		Routes: ways, Ours: ours(), Logger: r.log,
		Timeouts: smtpclient.Timeouts{Goodbye: goodbye},
	}), nil
}

// ours tells the addresses of this machine.
func ours() func(netip.Addr) bool {
	var own []netip.Addr
	networks, _ := net.InterfaceAddrs() // without an answer there is still the loopback
	for _, n := range networks {
		if prefix, err := netip.ParsePrefix(n.String()); err == nil {
			own = append(own, prefix.Addr().Unmap())
		}
	}
	return func(ip netip.Addr) bool {
		ip = ip.Unmap()
		return ip.IsLoopback() || ip.IsUnspecified() || slices.Contains(own, ip)
	}
}

// start runs the queue until stop.
func (r *relay) start() {
	if r == nil {
		return
	}
	r.running = startBackground(func(ctx context.Context) {
		if r.turn == nil {
			r.run(ctx)
		} else {
			r.turn.run(ctx, r.run)
		}
		r.out.Load().Close()
	})
}

// run does what one node at a time does, until ctx is done.
func (r *relay) run(ctx context.Context) {
	var counting sync.WaitGroup
	count, enough := context.WithCancel(context.WithoutCancel(ctx)) // the last deliveries count, too
	counting.Go(func() { r.sessions.Run(count) })
	r.runQueue(ctx)
	enough()
	counting.Wait()
}

// runQueue runs the queue until ctx is done.
func (r *relay) runQueue(ctx context.Context) {
	for {
		err := r.data.Queue.Run(ctx, r.deliver)
		if ctx.Err() != nil {
			return
		}
		r.log.Error("the queue cannot be loaded", "error", err, "again", queueAgain)
		pause(ctx, queueAgain)
	}
}

// stop lets deliveries end, or cuts them off when ctx ends.
func (r *relay) stop(ctx context.Context) error {
	if r == nil {
		return nil
	}
	defer r.cutNow()
	defer context.AfterFunc(ctx, r.cutNow)()
	r.running.stop()
	return nil
}

// tidy removes what is of no use any more.
func (r *relay) tidy(ctx context.Context) error {
	if r == nil {
		return nil
	}
	return r.shelf.Tidy(ctx)
}

// exchange goes over to another way out. Deliveries under way go on.
func (r *relay) exchange(out *outbound.Outbound) {
	if r != nil {
		r.out.Swap(out).Close()
	}
}

// deliver is the queue's Deliver.
func (r *relay) deliver(ctx context.Context, j *queue.Job) []queue.Result {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.cut, cancel)()
	// Others than inbound queue mail for our own domains, too: notifications for a
	// mailbox that is full; and a domain may have become ours since.
	local, err := r.data.Directory.IsLocal(ctx, j.Destination)
	switch {
	case err != nil:
		r.log.WarnContext(ctx, "the directory cannot be asked now", "id", j.Message.ID, "error", err)
		return nil // it is tried again
	case local:
		return r.data.deliver(ctx, j)
	}
	results := r.out.Load().Deliver(ctx, j)
	r.data.countRefused(ctx, j.Message, results)
	return results
}
