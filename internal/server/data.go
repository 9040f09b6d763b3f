package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/audit"
	"posthorn/internal/blob"
	"posthorn/internal/blob/fsblob"
	"posthorn/internal/certs"
	"posthorn/internal/config"
	"posthorn/internal/deliver"
	"posthorn/internal/directory"
	"posthorn/internal/dns"
	"posthorn/internal/fault"
	"posthorn/internal/filter/abuse"
	"posthorn/internal/filter/bans"
	"posthorn/internal/geoip"
	"posthorn/internal/history"
	"posthorn/internal/kv"
	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/kv/pgkv"
	"posthorn/internal/notice"
	"posthorn/internal/obs"
	"posthorn/internal/obs/metrics"
	"posthorn/internal/queue"
	"posthorn/internal/search"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

// queueGrace is how long deliveries under way may go on when the server ends.
const queueGrace = 10 * time.Second

// historyGrace is how long the last events may take to be written.
const historyGrace = 5 * time.Second

// Data is everything that is kept, opened. A running server has it, or one command
// that works on a stopped one: the lock on the files in data_dir tells.
type Data struct {
	Store     *store.Store
	Directory *directory.Directory
	Queue     *queue.Queue
	Notices   *notice.Notices
	History   *history.History
	Audit     *audit.Log
	Index     *search.Index
	Bans      *bans.Book
	Abuse     *abuse.Watch

	engine  kv.Engine
	metrics *metrics.Metrics
	blobs   blob.Store
	trail   obs.Trail  // log, and history
	certs   *certs.Set // empty until a server runs
	keeper  *certs.Keeper
	router  *deliver.Router
	quotas  chan quotaCrossing // read while a server runs
	config  atomic.Pointer[config.Config]
	places  atomic.Pointer[geoip.File] // which country addresses are in
	// resolver asks the name servers of the configuration; it is made when it is needed.
	resolver func() *dns.Resolver
}

// OpenData opens what a configuration says is kept, and makes it where there is
// nothing yet. Kind of error: InUse while another process has it.
func OpenData(ctx context.Context, c *config.Config, log *slog.Logger) (*Data, error) {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fault.New(fault.Unavailable, "data_dir: %w", err)
	}
	blobs, err := fsblob.Open(c.BlobDir(), fsblob.Options{Logger: log})
	if fault.Is(err, fault.InUse) {
		return nil, fault.New(fault.InUse, "data_dir: another posthorn works with it already: %w", err)
	}
	if err != nil {
		return nil, err
	}
	engine, err := openEngine(ctx, c, log)
	if err != nil {
		return nil, errors.Join(err, blobs.Close())
	}
	return newData(c, engine, blobs, log), nil
}

func openEngine(ctx context.Context, c *config.Config, log *slog.Logger) (kv.Engine, error) {
	switch c.Store.Engine {
	case config.Pebble:
		return pebblekv.Open(c.StoreDir(), pebblekv.Options{Logger: log})
	case config.Postgres:
		return pgkv.Open(ctx, pgkv.Options{DSN: c.Store.DSN, Logger: log})
	}
	return nil, fault.New(fault.Internal, "server: store engine %q", c.Store.Engine)
}

func newData(c *config.Config, engine kv.Engine, blobs blob.Store, log *slog.Logger) *Data {
	figures := metrics.New()
	engine = timed{engine, figures.Commit}
	d := &Data{
		Directory: directory.New(engine, directory.Options{Logger: log, KeyFile: c.SecretsKey()}),
		engine:    engine, blobs: blobs, metrics: figures,
	}
	d.config.Store(c)
	d.certs = certs.New(time.Now, log)
	d.keeper = certs.NewKeeper(d.certs, engine, log)
	d.resolver = sync.OnceValue(func() *dns.Resolver { return dns.New(resolverOptions(c.DNS, log)) })
	d.router = &deliver.Router{Directory: d.Directory, Hostname: c.Hostname, Clock: time.Now}
	d.History = newHistory(c, engine, log)
	d.quotas = make(chan quotaCrossing, quotasWaiting)
	d.metrics.Counts.Next = fullBoxes{d}
	d.Audit = audit.New(audit.Options{
		Engine: engine, Logger: log, Days: c.Audit.Days, File: c.Audit.File, Syslog: c.Audit.Syslog, Hostname: c.Hostname,
	})
	d.trail = obs.Trail{Log: log, Recorder: d.metrics.Counts}
	d.Queue = queue.New(queue.Options{
		Settings: queueSettings(c), Engine: engine, Blobs: blobs, Logger: log, Recorder: d.metrics.Counts,
		Local: d.notify, Sign: d.signer(log), Grace: queueGrace, Together: together(c),
	})
	d.Notices = notice.New(notice.Options{
		Engine: engine, Queue: d.Queue, Directory: d.Directory, Site: d.noticeSite, Clock: time.Now, Logger: log,
	})
	d.Store = store.New(store.Options{Engine: engine, Blobs: blobs, Logger: log, Held: d.Queue.Blobs, Charged: d.quotaChanged})
	d.Bans = bans.New(bans.Options{Engine: engine, Logger: log, Tell: d.banned})
	d.Abuse = abuse.New(abuse.Options{
		Engine: engine, Logger: log, Country: func(ip netip.Addr) string { return d.places.Load().Country(ip) },
	})
	d.Index = search.New(search.Options{Engine: engine, Store: d.Store, Logger: log})
	return d
}

// together is how long results wait for one another. Where messages have to be read
// over a network, one after the other within a commit, it would not pay.
func together(c *config.Config) time.Duration {
	if c.Store.Engine == config.Postgres {
		return 0
	}
	return 3 * time.Millisecond
}

func newHistory(c *config.Config, engine kv.Engine, log *slog.Logger) *history.History {
	return history.New(history.Options{
		Engine: engine, Logger: log, Days: c.History.Days,
		Began: func(message string) (time.Time, bool) { return queue.ID(message).Time() },
	})
}

// Admin gives the operations on the data of a server that does not run.
func (d *Data) Admin(ctx context.Context) *admin.Admin {
	d.prepareTLS(ctx)
	d.prepareDirectories(ctx)
	return d.admin(nil, nil)
}

// admin gives the operations, with those that a running server has: one that accepts
// messages, and the sessions.
func (d *Data) admin(send func(context.Context, admin.Envelope, io.Reader) (admin.Sent, error), sessions *wire.Sessions) *admin.Admin {
	return admin.New(admin.Options{
		Directory: d.Directory, Store: d.Store, Queue: d.Queue, History: d.History, Audit: d.Audit, Index: d.Index, Bans: d.Bans, Abuse: d.Abuse, Keeper: d.keeper,
		Site: d.site, Resolver: d.resolver, Send: send, Sessions: sessions, Administrators: d.administrators,
	})
}

// administrators are the addresses of the operator, and of those whom he has given rights
// over everybody's mailboxes.
func (d *Data) administrators() []string {
	c := d.config.Load()
	all := slices.Clone(c.IMAP.Administrators)
	if c.Operator != "" {
		all = append(all, c.Operator)
	}
	return all
}

// Close closes everything, when nobody uses it any more.
func (d *Data) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), historyGrace)
	defer cancel()
	d.History.Close(ctx)
	d.Audit.Close(ctx)
	d.Directory.Close()
	return errors.Join(closeDirectories(d.Directory.SetSources(nil)), d.engine.Close(), d.blobs.Close())
}
