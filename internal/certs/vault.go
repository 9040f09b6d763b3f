package certs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"math/rand/v2"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// shard has all records about authorities:
//
//	account/URL       who we are to an authority (account)
//	order/NAME        the certificate for a name, and how getting it goes (order)
//	challenge/KEY     what an authority is to be answered (answer)
const shard kv.Shard = "certs"

// order is the certificate for a name, and how getting it goes.
type order struct {
	Name      string    `json:"name"`
	Directory string    `json:"directory,omitempty"` // the authority that issued it
	Chain     string    `json:"chain,omitempty"`     // PEM; "": there is none yet
	Key       string    `json:"key,omitempty"`       // PEM; it stays over renewals
	NotAfter  time.Time `json:"not_after,omitzero"`
	RenewAt   time.Time `json:"renew_at,omitzero"`
	Advice    advice    `json:"advice,omitzero"` // of the authority, about RenewAt

	// Since the last success.
	Attempts int       `json:"attempts,omitempty"`
	Error    string    `json:"error,omitempty"`
	Next     time.Time `json:"next,omitzero"` // before this nobody asks again

	Wanted bool `json:"wanted,omitempty"` // by the operator, now

	// Who asks for it now, and until when he may.
	Owner string    `json:"owner,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

// due is when somebody should ask for it.
func (r order) due(a ACME, now time.Time) time.Time {
	due := now
	if r.Chain != "" && r.Directory == a.Directory && !r.Wanted {
		due = r.RenewAt
	}
	if r.Next.After(due) && !r.Wanted {
		due = r.Next
	}
	if r.Until.After(due) {
		due = r.Until
	}
	return due
}

// failed is the order after an attempt that came to nothing.
func (r order) failed(err error, now time.Time) order {
	wait := firstRetry
	for range min(r.Attempts, 10) {
		wait = min(3*wait, lastRetry)
	}
	if rateLimited(err) {
		wait = max(wait, time.Hour)
	}
	wait += rand.N(wait / 10) // so that many servers do not come back at once
	r.Attempts++
	r.Error, r.Next = err.Error(), now.Add(wait)
	r.Owner, r.Until = "", time.Time{}
	return r
}

func (r order) certificate() (Certificate, error) {
	pair, err := tls.X509KeyPair([]byte(r.Chain), []byte(r.Key))
	if err != nil {
		return Certificate{}, fault.New(fault.Corrupt, "certs: %s: %w", r.Name, err)
	}
	return Certificate{&pair, Issued, ""}, nil
}

// vault keeps the records. Several nodes may share it.
type vault struct {
	engine kv.Engine
	owner  string // this node, for as long as it runs
}

func get[T any](ctx context.Context, v vault, key string) (value T, found bool, err error) {
	err = v.engine.View(ctx, shard, func(r kv.Reader) (err error) {
		value, found, err = read[T](r, key)
		return err
	})
	return value, found, err
}

func read[T any](r kv.Reader, key string) (value T, found bool, err error) {
	text, found, err := r.Get([]byte(key))
	if err == nil && found {
		if err = json.Unmarshal(text, &value); err != nil {
			err = fault.New(fault.Corrupt, "certs: record %q: %w", key, err)
		}
	}
	return value, found, err
}

func write(w kv.Writer, key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fault.New(fault.Internal, "certs: record %q: %w", key, err)
	}
	return w.Put([]byte(key), text)
}

func (v vault) put(ctx context.Context, key string, value any) error {
	return v.engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error { return write(tx.In(shard), key, value) })
}

func (v vault) drop(ctx context.Context, key string) error {
	return v.engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error { return tx.In(shard).Delete([]byte(key)) })
}

func orderKey(name string) string { return "order/" + name }

// order gives that for a name; an empty one if there is none.
func (v vault) order(ctx context.Context, name string) (order, error) {
	r, _, err := get[order](ctx, v, orderKey(name))
	r.Name = name
	return r, err
}

// begin takes an order on if it is wanted and nobody else is at it; then this node is
// its Owner.
func (v vault) begin(ctx context.Context, name string, wanted func(order) bool, now time.Time) (r order, err error) {
	if r, err = v.order(ctx, name); err != nil || !wanted(r) { // mostly it is not: no need to write
		return r, err
	}
	err = v.engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error {
		w := tx.In(shard)
		r, _, err = read[order](w, orderKey(name))
		r.Name = name
		if err != nil || !wanted(r) {
			return err
		}
		r.Owner, r.Until, r.Wanted = v.owner, now.Add(lease), false
		return write(w, orderKey(name), r)
	})
	return r, err
}

// finish stores how an order that was taken on has ended, unless somebody else has
// taken it over: then we were too slow, and he knows better.
func (v vault) finish(ctx context.Context, r order) error {
	return v.engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error {
		w := tx.In(shard)
		now, _, err := read[order](w, orderKey(r.Name))
		if err != nil || now.Owner != v.owner {
			return err
		}
		r.Wanted = now.Wanted // he may have asked while we were at it
		return write(w, orderKey(r.Name), r)
	})
}

// hurry makes an order due.
func (v vault) hurry(ctx context.Context, name string) error {
	return v.engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error {
		w := tx.In(shard)
		r, _, err := read[order](w, orderKey(name))
		if err != nil {
			return err
		}
		r.Name, r.Attempts, r.Wanted = name, 0, true
		return write(w, orderKey(name), r)
	})
}

// answer is what an authority is to be answered.
type answer struct {
	Text string `json:"text"`
}

func (v vault) answer(ctx context.Context, key string) (text string, found bool, err error) {
	a, found, err := get[answer](ctx, v, "challenge/"+key)
	return a.Text, found, err
}

func (v vault) setAnswer(ctx context.Context, key, text string) error {
	return v.put(ctx, "challenge/"+key, answer{text})
}

func (v vault) dropAnswer(ctx context.Context, key string) error {
	return v.drop(ctx, "challenge/"+key)
}
