package certs

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"log/slog"
	"sync"
	"time"

	"posthorn/internal/dns"
	"posthorn/internal/kv"
)

// Challenge is how an authority is shown that a name is ours.
type Challenge string

// The challenges: RFC 8555 §8.3, RFC 8737, RFC 8555 §8.4.
const (
	HTTP01    Challenge = "http-01"     // it asks the name's port 80
	TLSALPN01 Challenge = "tls-alpn-01" // it asks the name's port 443
	DNS01     Challenge = "dns-01"      // it asks for a record in DNS
)

// ACME says from which authority certificates come (RFC 8555), and for whom.
type ACME struct {
	Directory string // the authority's URL; "": none is asked
	Email     string // where the authority can reach the operator; may be empty
	Roots     *x509.CertPool
	Names     []string // a certificate for each
	Challenge Challenge
	DNS       *dns.Updater  // for DNS01
	DNSWait   time.Duration // until all servers of the zone know a new record
}

const (
	attemptTime = 5 * time.Minute // most that getting one certificate takes
	lease       = attemptTime + time.Minute
	firstRetry  = 5 * time.Minute // each wait is three times the one before, up to
	lastRetry   = 12 * time.Hour
	idleLook    = time.Hour // how often the records are looked at when nothing is due
)

// Keeper gets certificates from an authority and renews them after two thirds of their
// life, or when the authority likes (advice.go). All that it knows is in the engine: each node shows what any of them got, only
// one asks at a time, and what went wrong is remembered over restarts, so that no
// authority is asked more often than it likes.
//
// A renewed certificate has the key of the one before, so that TLSA records in DNS
// stay true.
type Keeper struct {
	set   *Set
	vault vault
	log   *slog.Logger
	clock func() time.Time
	wake  chan struct{}

	mu   sync.Mutex
	acme ACME
}

// NewKeeper makes a Keeper that shows in set what it got.
func NewKeeper(set *Set, engine kv.Engine, log *slog.Logger) *Keeper {
	return &Keeper{
		set: set, log: log, clock: set.clock, wake: make(chan struct{}, 1),
		vault: vault{engine, rand.Text()},
	}
}

// Use goes over to another authority, other names or another challenge.
func (k *Keeper) Use(a ACME) {
	k.mu.Lock()
	k.acme = a
	k.mu.Unlock()
	k.stir()
}

func (k *Keeper) settings() ACME {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.acme
}

// stir makes Run look at once.
func (k *Keeper) stir() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run sees to the certificates until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	stop := k.vault.engine.Watch(shard, k.stir)
	defer stop()
	for ctx.Err() == nil {
		pause := k.round(ctx)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-k.wake:
		}
		timer.Stop()
	}
}

// round sees to each name and says when there is something to do again.
func (k *Keeper) round(ctx context.Context) time.Duration {
	a := k.settings()
	if a.Directory == "" {
		k.set.setIssued(nil)
		return idleLook
	}
	if err := k.Load(ctx); err != nil {
		if ctx.Err() == nil {
			k.log.WarnContext(ctx, "certificates cannot be read from the store now", "error", err)
		}
		return firstRetry
	}
	next := k.clock().Add(idleLook)
	for _, name := range a.Names {
		if ctx.Err() != nil {
			break
		}
		if due := k.see(ctx, a, name); due.Before(next) {
			next = due
		}
	}
	return max(next.Sub(k.clock()), time.Second)
}

// Load shows what there is for the names.
func (k *Keeper) Load(ctx context.Context) error {
	a := k.settings()
	issued := map[string]Certificate{}
	for _, name := range a.Names {
		r, err := k.vault.order(ctx, name)
		if err != nil {
			return err
		}
		if r.Chain == "" {
			continue
		}
		c, err := r.certificate()
		if err != nil {
			k.log.WarnContext(ctx, "a certificate in the store is damaged", "name", name, "error", err)
			continue
		}
		issued[name] = c
	}
	k.set.setIssued(issued)
	return nil
}

// see gets a certificate for a name if that is due, or advice about it, and says when
// there is something to do again.
func (k *Keeper) see(ctx context.Context, a ACME, name string) (next time.Time) {
	var due, held bool
	r, err := k.vault.begin(ctx, name, func(r order) bool {
		now := k.clock()
		due = !r.due(a, now).After(now)
		held = due || !r.next(a, now).After(now)
		return held
	}, k.clock())
	switch {
	case err != nil:
		if ctx.Err() == nil {
			k.log.WarnContext(ctx, "the store does not answer; certificates wait", "error", err)
		}
		return k.clock().Add(firstRetry)
	case !held || r.Owner != k.vault.owner: // not yet, or another node is at it
		return r.next(a, k.clock())
	case !due:
		return k.advise(ctx, a, r)
	}
	attempt, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	done, err := k.obtain(attempt, a, r)
	if ctx.Err() != nil { // we are ending; nobody is to blame
		done, err = r, nil
		done.Owner, done.Until = "", time.Time{}
	}
	if err != nil {
		done = r.failed(err, k.clock())
	}
	if err := k.vault.finish(context.WithoutCancel(ctx), done); err != nil {
		k.log.ErrorContext(ctx, "what an authority answered cannot be stored", "name", name, "error", err)
		return k.clock().Add(firstRetry)
	}
	k.tell(ctx, done, err)
	if err == nil {
		if err := k.Load(ctx); err != nil && ctx.Err() == nil {
			k.log.WarnContext(ctx, "certificates cannot be read from the store now", "error", err)
		}
	}
	return done.next(a, k.clock())
}

// tell says how an attempt went.
func (k *Keeper) tell(ctx context.Context, r order, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil:
		args := []any{"name", r.Name, "error", err, "attempts", r.Attempts, "next", r.Next}
		if c, err := r.certificate(); err == nil {
			args = append(args, "shown_until", c.Leaf.NotAfter)
		} else {
			args = append(args, "shown", "another certificate")
		}
		k.log.WarnContext(ctx, "an authority has issued no certificate", args...)
	default:
		k.log.InfoContext(ctx, "an authority has issued a certificate", "name", r.Name, "until", r.NotAfter, "renewal", r.RenewAt)
	}
}
