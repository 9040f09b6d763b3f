package pgkv

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"posthorn/internal/kv"
)

// Nodes tell each other what has changed by NOTIFY: messages such as
//
//	NODE changed "a/1" "a/2"
//	NODE beat
//	NODE bye
//
// A NOTIFY makes its transaction commit alone in the whole server, so it is not
// part of Updates: it follows in a transaction of its own, which need not wait for
// the disk, and in which all shards go that have changed since the one before.
//
// What could get lost between an Update and its announcement, and why it does not:
// if the connection breaks or the server is down, the announcer keeps what it has
// to say. If the server loses messages, it has lost its listeners' connections as
// well, and who has lost that connection tells all watchers. If the node dies, its
// beat falls silent; the others notice, and tell all watchers.
const channel = "posthorn_kv"

// nodes is what an engine has to do with other nodes.
type nodes struct {
	announcer *announcer
	listener  *listener
	stopping  []context.CancelFunc // the announcer first: it has to be heard out
	running   sync.WaitGroup
}

func newNodes(d *dialer, watchers *kv.Watchers, o Options) *nodes {
	name := strconv.FormatUint(uint64(randomID()), 36)
	return &nodes{
		announcer: &announcer{
			node: name, dialer: d, beat: o.Beat, outage: outage{log: o.Logger, what: "telling other nodes"},
			changed: make(map[kv.Shard]bool), wake: make(chan struct{}, 1),
		},
		listener: &listener{
			node: name, dialer: d, silence: silentBeats * o.Beat,
			log: o.Logger, outage: outage{log: o.Logger, what: "listening to other nodes"},
			watchers: watchers, peers: make(map[string]*peer),
		},
	}
}

// silentBeats is how many beats of a node may be missing before it counts as dead.
const silentBeats = 4

func (n *nodes) start(ctx context.Context) {
	for _, run := range []func(context.Context){n.announcer.run, n.listener.run} {
		ctx, cancel := context.WithCancel(ctx)
		n.stopping = append(n.stopping, cancel)
		n.running.Go(func() { run(ctx) })
	}
}

// stop announces what is left and ends.
func (n *nodes) stop() {
	for _, stop := range n.stopping {
		stop()
	}
	n.running.Wait()
}

// goodbye is how long a connection gets to be closed in order.
const goodbye = time.Second

// outage tells the log when something begins to fail, and when it works again.
type outage struct {
	log   *slog.Logger
	what  string
	since time.Time // zero: it works
}

func (o *outage) failed(err error) {
	if o.since.IsZero() {
		o.since = time.Now()
		o.log.Warn(o.what+" is interrupted", "error", err)
	}
}

func (o *outage) over() {
	if !o.since.IsZero() {
		o.log.Info(o.what+" works again", "after", time.Since(o.since))
		o.since = time.Time{}
	}
}
