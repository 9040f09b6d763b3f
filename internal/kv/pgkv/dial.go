package pgkv

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// dialer makes connections.
type dialer struct {
	config  *pgconn.Config
	timeout time.Duration // of one round trip, for those that pools use
	trips   atomic.Int64  // round trips of those
}

func newDialer(dsn string, timeout time.Duration) (*dialer, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	// A server that vanished without a word is noticed within half a minute.
	tcp := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}
	config.DialFunc = tcp.DialContext
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	if config.ValidateConnect == nil { // with several hosts, the one that takes writes
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "posthorn"
	}
	return &dialer{config: config, timeout: timeout}, nil
}

// raw makes a plain connection.
func (d *dialer) raw(ctx context.Context, onNotification pgconn.NotificationHandler) (*pgconn.PgConn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.config.ConnectTimeout)
	defer cancel()
	config := d.config.Copy()
	config.OnNotification = onNotification
	return pgconn.ConnectConfig(ctx, config)
}

// What each kind of connection sets for its session.
const (
	// Every statement is a walk along the primary key, whatever the statistics of
	// a young table may suggest, so one plan does for all arguments. And a node
	// that vanishes gives back its locks within half a minute.
	sessionSetup = `
		SET plan_cache_mode = force_generic_plan;
		SET enable_seqscan = off;
		SET enable_bitmapscan = off;
		SET jit = off;
		SET tcp_keepalives_idle = 10;
		SET tcp_keepalives_interval = 5;
		SET tcp_keepalives_count = 3;`

	// A snapshot for the whole transaction.
	readerSetup = sessionSetup + `
		SET default_transaction_isolation = 'repeatable read';
		SET default_transaction_read_only = on;`

	// A snapshot for each statement, because the locks come first. What is
	// committed is on disk, whatever the server's default; a default that
	// promises even more stays.
	writerSetup = sessionSetup + `
		SET default_transaction_isolation = 'read committed';
		SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') <> 'remote_apply';`
)

func (d *dialer) reader(ctx context.Context) (*conn, error) { return d.dial(ctx, readerSetup) }
func (d *dialer) writer(ctx context.Context) (*conn, error) { return d.dial(ctx, writerSetup) }

func (d *dialer) dial(ctx context.Context, setup string) (*conn, error) {
	pg, err := d.raw(ctx, nil)
	if err != nil {
		return nil, err
	}
	c := &conn{pg: pg, trips: &d.trips, timeout: d.timeout, session: randomID()}
	leave := c.attend(ctx)
	defer leave()
	if err = c.allow(); err == nil {
		err = exec(context.Background(), pg, setup)
	}
	if err == nil {
		c.pipe = pg.StartPipeline(context.Background())
		err = c.prepare()
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// randomID is a number that nobody else has.
func randomID() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return int64(binary.NativeEndian.Uint64(b[:]))
}
