package directory

import (
	"context"
	"slices"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/dkim"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Key is one of the keys that a domain signs its mail with.
type Key struct {
	Domain    string // canonical
	Selector  string // ph20261122r: made on that day, for RSA
	Algorithm dkim.Algorithm
	State     KeyState
	Record    string // what is to be published in dkim.RecordName
	Created   time.Time
	Activated time.Time // zero: not yet
	Retired   time.Time // zero: not yet
}

// KeyState is where a key is in its life. There is at most one active key of each
// algorithm in a domain.
type KeyState uint8

// The states, in their order.
const (
	KeyPrepared KeyState = iota // made; signs once its record has been seen, or the operator says so
	KeyActive                   // signs
	KeyRetired                  // signs no more; mail that it has signed is still on its way
)

func (s KeyState) String() string { return [...]string{"prepared", "active", "retired"}[s] }

// keepRecord is how long the record of a retired key must stay published: longer
// than a message may wait in a queue.
const keepRecord = 8 * 24 * time.Hour

// KeepUntil is until when the record of a retired key must stay published; zero for
// the others.
func (k Key) KeepUntil() time.Time {
	if k.State != KeyRetired {
		return time.Time{}
	}
	return k.Retired.Add(keepRecord)
}

// Keys lists the keys of a domain, the oldest first. Kind of error: NotFound, if it
// is not ours.
func (d *Directory) Keys(ctx context.Context, domain string) ([]Key, error) {
	ring, err := d.keyring(ctx, domain)
	if err != nil {
		return nil, err
	}
	all := make([]Key, len(ring.keys))
	for i, k := range ring.keys {
		all[i] = k.Key
	}
	return all, nil
}

func (d *Directory) keyring(ctx context.Context, domain string) (ring *keyring, err error) {
	if domain, err = canonicalDomain(domain); err != nil {
		return nil, err
	}
	err = d.view(ctx, func(r kv.Reader) (err error) {
		ring, err = readKeyring(r, domain)
		return err
	})
	return ring, err
}

// EnsureKeys makes the keys that a domain lacks, and has them sign at once: there is
// nothing better. It returns those that it has made.
func (d *Directory) EnsureKeys(ctx context.Context, domain string) ([]Key, error) {
	ring, err := d.keyring(ctx, domain)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(dkim.Algorithms(), func(a dkim.Algorithm) bool { return ring.lacks(a, KeyActive) }) {
		return nil, nil
	}
	return d.addKeys(ctx, domain, func(ring *keyring, f freshKey) (add, active bool, err error) {
		return ring.lacks(f.algorithm, KeyActive), true, nil
	})
}

// RotateKeys prepares the keys that follow those that sign. Kinds of errors:
// NotFound; Exists, if keys are prepared already.
func (d *Directory) RotateKeys(ctx context.Context, domain string) ([]Key, error) {
	return d.addKeys(ctx, domain, func(ring *keyring, f freshKey) (add, active bool, err error) {
		if !ring.lacks(f.algorithm, KeyPrepared) {
			return false, false, fault.New(fault.Exists, "%s has a new %s key already, which waits for its DNS record", ring.domain, f.algorithm)
		}
		return true, ring.lacks(f.algorithm, KeyActive), nil
	})
}

// addKeys makes keys for a domain. want says whether it gets one, and whether that
// signs at once.
func (d *Directory) addKeys(ctx context.Context, domain string, want func(*keyring, freshKey) (add, active bool, err error)) ([]Key, error) {
	domain, err := canonicalDomain(domain)
	if err != nil {
		return nil, err
	}
	fresh, err := generateKeys()
	if err != nil {
		return nil, err
	}
	var added []Key
	err = d.update(ctx, func(w kv.Writer) error {
		added = nil
		ring, err := readKeyring(w, domain)
		if err != nil {
			return err
		}
		now := d.clock().UTC()
		for _, f := range fresh {
			add, active, err := want(ring, f)
			if err != nil {
				return err
			}
			if !add {
				continue
			}
			rec := keyRecord{Algorithm: f.algorithm, Private: f.private, Record: f.record, Created: now}
			if active {
				rec.Activated = now
			}
			k, err := ring.put(w, ring.selector(now, f.algorithm), rec)
			if err != nil {
				return err
			}
			added = append(added, k)
		}
		return nil
	})
	return added, err
}

// ActivateKeys has prepared keys of a domain sign from now on, in the place of those
// that do; without selectors, all that are prepared. Kinds of errors: NotFound;
// Invalid, if a key is not prepared.
func (d *Directory) ActivateKeys(ctx context.Context, domain string, selectors ...string) ([]Key, error) {
	domain, err := canonicalDomain(domain)
	if err != nil {
		return nil, err
	}
	var activated []Key
	err = d.update(ctx, func(w kv.Writer) error {
		activated = nil
		ring, err := readKeyring(w, domain)
		if err != nil {
			return err
		}
		chosen, err := ring.prepared(selectors)
		if err != nil {
			return err
		}
		for _, i := range chosen {
			k, err := ring.activate(w, i, d.clock().UTC())
			if err != nil {
				return err
			}
			activated = append(activated, k)
		}
		return nil
	})
	return activated, err
}

// ForgetKeys drops the keys of a domain whose records need not be published any
// more, and returns them.
func (d *Directory) ForgetKeys(ctx context.Context, domain string) ([]Key, error) {
	now := d.clock()
	over := func(k Key) bool { return k.State == KeyRetired && now.After(k.KeepUntil()) }
	keys, err := d.Keys(ctx, domain)
	if err != nil || !slices.ContainsFunc(keys, over) {
		return nil, err
	}
	gone := slices.DeleteFunc(keys, func(k Key) bool { return !over(k) })
	err = d.update(ctx, func(w kv.Writer) error {
		for _, k := range gone { // a retired key never changes
			if err := w.Delete(keyKey(k.Domain, k.Selector)); err != nil {
				return err
			}
		}
		return nil
	})
	return gone, err
}

// SigningKeys are the active keys of a domain, or, for a host, those of the closest
// domain above it that is ours: to receivers they are as good (RFC 7489 §3.1.1). None,
// if none of them is ours. They must not be modified.
func (d *Directory) SigningKeys(ctx context.Context, domain string) ([]dkim.Key, error) {
	domain, err := addr.CanonicalDomain(domain)
	if err != nil {
		return nil, nil // what is no domain is not ours
	}
	keys, generation, ok := d.signing.get(domain)
	if ok {
		return keys, nil
	}
	err = d.view(ctx, func(r kv.Reader) (err error) {
		keys, err = signingKeys(r, domain)
		return err
	})
	if err == nil {
		d.signing.put(domain, keys, generation)
	}
	return keys, err
}
