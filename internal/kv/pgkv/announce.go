package pgkv

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"posthorn/internal/kv"
)

// maxPayload is what a NOTIFY can carry, in bytes; a little less.
const maxPayload = 7900

// announcer tells the other nodes what has changed here.
type announcer struct {
	node   string // this node's name
	dialer *dialer
	beat   time.Duration

	mu      sync.Mutex
	changed map[kv.Shard]bool // and not yet told
	wake    chan struct{}     // holds one when there is something to tell

	conn   *pgconn.PgConn // nil: to be made; used by run only, as is what follows
	outage outage
}

// announce has the shards announced soon.
func (a *announcer) announce(shards []kv.Shard) {
	a.mu.Lock()
	for _, s := range shards {
		a.changed[s] = true
	}
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default: // awake already
	}
}

// pace is the least time between announcements. The first goes out at once; what
// changes within the pace goes together, which under load is most of it.
const pace = 5 * time.Millisecond

// run announces until ctx ends, and then what is left.
func (a *announcer) run(ctx context.Context) {
	beat := time.NewTicker(a.beat)
	defer beat.Stop()
	defer a.hangUp()
	a.say(ctx, "beat")
	for ctx.Err() == nil {
		select {
		case <-a.wake:
			wait := pace
			if !a.sayChanged(ctx) {
				wait = lastPause
				a.announce(nil) // try again
			}
			_ = sleep(ctx, wait)
		case <-beat.C:
			a.say(ctx, "beat")
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	if a.sayChanged(last) {
		a.say(last, "bye")
	}
}

// sayChanged tells what has changed, or keeps it for the next time.
func (a *announcer) sayChanged(ctx context.Context) (said bool) {
	a.mu.Lock()
	changed := a.changed
	a.changed = make(map[kv.Shard]bool)
	a.mu.Unlock()
	if len(changed) == 0 {
		return true
	}
	if a.say(ctx, payloads(changed)...) {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for s := range changed {
		a.changed[s] = true
	}
	return false
}

// payloads are messages that name all these shards.
func payloads(changed map[kv.Shard]bool) []string {
	var all []string
	var b strings.Builder
	for s := range changed {
		if b.Len() > 0 && b.Len()+4*len(s) > maxPayload-100 { // 4: the longest a byte gets in quotes
			all = append(all, b.String())
			b.Reset()
		}
		if b.Len() == 0 {
			b.WriteString("changed")
		}
		b.WriteString(" " + strconv.QuoteToASCII(string(s)))
	}
	return append(all, b.String())
}

// shardsIn is the reverse of payloads; ok is false if this is none of them.
func shardsIn(payload string) (shards []kv.Shard, ok bool) {
	rest, ok := strings.CutPrefix(payload, "changed")
	for ok && rest != "" {
		var quoted, name string
		var err error
		if quoted, err = strconv.QuotedPrefix(strings.TrimPrefix(rest, " ")); err != nil {
			return nil, false
		}
		if name, err = strconv.Unquote(quoted); err != nil {
			return nil, false
		}
		shards = append(shards, kv.Shard(name))
		rest = strings.TrimPrefix(rest, " ")[len(quoted):]
	}
	return shards, ok
}

// say sends messages to everyone who listens.
func (a *announcer) say(ctx context.Context, messages ...string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := a.connect(ctx)
	for _, m := range messages {
		if err == nil {
			err = a.conn.ExecPrepared(ctx, "say", [][]byte{[]byte(a.node + " " + m)}, nil, nil).Read().Err
		}
	}
	switch {
	case err == nil:
		a.outage.over()
	case ctx.Err() != context.Canceled: // which is no news
		a.outage.failed(err)
	}
	if err != nil {
		a.hangUp()
	}
	return err == nil
}

func (a *announcer) connect(ctx context.Context) error {
	if a.conn != nil {
		return nil
	}
	c, err := a.dialer.raw(ctx, nil)
	if err != nil {
		return err
	}
	a.conn = c
	if err = exec(ctx, c, "SET synchronous_commit = off"); err == nil {
		_, err = c.Prepare(ctx, "say", "SELECT pg_notify('"+channel+"', $1)", nil)
	}
	return err
}

func (a *announcer) hangUp() {
	if a.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		_ = a.conn.Close(ctx)
		a.conn = nil
	}
}
