package pgkv

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"posthorn/internal/kv"
)

// listener hears what the announcers of other nodes say, and tells our watchers.
//
// Whenever it may have missed something, it tells all of them: when it begins to
// listen, because changes came before; when another node falls silent, because
// that one may have died with something to say; and for the same reason once when
// it has listened for a while, because a node may have died unheard of.
type listener struct {
	node     string // ourselves
	dialer   *dialer
	watchers *kv.Watchers
	silence  time.Duration // after which a node counts as dead
	log      *slog.Logger

	outage outage           // used by run only, as is what follows
	peers  map[string]*peer // by name
	own    time.Time        // when we heard ourselves
	began  time.Time        // when we began to listen; zero: and that is long ago
}

// peer is another node.
type peer struct {
	heard  time.Time // the last time
	silent int       // how often it was found silent since
}

// forgotten is how often a silent node makes us tell all watchers before it is
// forgotten. More than once, because the server may be slow to finish what a
// dying node has sent it.
const forgotten = 5

var errDeaf = errors.New("not even our own messages were heard")

// run listens until ctx ends.
func (l *listener) run(ctx context.Context) {
	var pauses backoff
	for ctx.Err() == nil {
		began := time.Now()
		err := l.listen(ctx)
		if ctx.Err() == nil {
			l.outage.failed(err)
		}
		if time.Since(began) > l.silence {
			pauses = backoff{}
		}
		_ = pauses.wait(ctx)
	}
}

// listen listens until something goes wrong.
func (l *listener) listen(ctx context.Context) error {
	c, err := l.dialer.raw(ctx, func(_ *pgconn.PgConn, n *pgconn.Notification) { l.hear(n.Payload) })
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		_ = c.Close(closing)
	}()
	if err := exec(ctx, c, "LISTEN "+channel); err != nil {
		return err
	}
	l.outage.over()
	now := time.Now()
	l.began, l.own = now, now
	for _, p := range l.peers {
		p.heard = now
	}
	l.watchers.NotifyAll()
	for {
		if err := l.wait(ctx, c); err != nil {
			return err
		}
		if time.Since(l.own) > l.silence {
			return errDeaf
		}
		l.notice(time.Now())
	}
}

// wait waits for a message, or a while.
func (l *listener) wait(ctx context.Context, c *pgconn.PgConn) error {
	while, cancel := context.WithTimeout(ctx, l.silence/4)
	defer cancel()
	if err := c.WaitForNotification(while); err != nil && (ctx.Err() != nil || while.Err() == nil) {
		return err
	}
	return nil
}

// hear is called for each message.
func (l *listener) hear(message string) {
	node, said, _ := strings.Cut(message, " ")
	if node == l.node { // our own watchers were told at once
		l.own = time.Now()
		return
	}
	if said == "bye" { // and has said all there was to say
		delete(l.peers, node)
		return
	}
	l.peers[node] = &peer{heard: time.Now()}
	if said == "beat" {
		return
	}
	shards, ok := shardsIn(said)
	if !ok { // a newer version's way to say something
		l.watchers.NotifyAll()
	}
	for _, s := range shards {
		l.watchers.Notify(s)
	}
}

// notice notices who has fallen silent.
func (l *listener) notice(now time.Time) {
	missed := false
	if !l.began.IsZero() && now.Sub(l.began) > l.silence {
		missed, l.began = true, time.Time{}
	}
	for node, p := range l.peers {
		if now.Sub(p.heard) > l.silence {
			missed = true
			p.heard = now
			if p.silent++; p.silent == forgotten {
				delete(l.peers, node)
			}
			l.log.Warn("another node has fallen silent", "node", node)
		}
	}
	if missed {
		l.watchers.NotifyAll()
	}
}
