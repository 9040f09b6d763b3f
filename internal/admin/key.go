package admin

import (
	"context"
	"time"

	"posthorn/internal/directory"
	"posthorn/internal/dkim"
)

// DomainKey is a key that a domain signs its mail with.
type DomainKey struct {
	Domain    string     `json:"domain"`
	Selector  string     `json:"selector"`
	Algorithm string     `json:"algorithm"`
	State     string     `json:"state"`  // prepared, active or retired
	Name      string     `json:"name"`   // where its record is published
	Record    string     `json:"record"` // what is published there
	Created   time.Time  `json:"created"`
	Activated *time.Time `json:"activated,omitempty"`
	Retired   *time.Time `json:"retired,omitempty"`
	KeepUntil *time.Time `json:"keep_until,omitempty"` // until when a retired key's record must stay
}

// KeyOrder names keys of a domain; without selectors, all that it can be about.
type KeyOrder struct {
	Domain    string   `json:"domain"`
	Selectors []string `json:"selectors,omitempty"`
}

func (a *Admin) listKeys(ctx context.Context, r Name) ([]DomainKey, error) {
	return keysOf(a.o.Directory.Keys(ctx, r.Name))
}

func (a *Admin) rotateKeys(ctx context.Context, r Name) ([]DomainKey, error) {
	return keysOf(a.o.Directory.RotateKeys(ctx, r.Name))
}

func (a *Admin) activateKeys(ctx context.Context, r KeyOrder) ([]DomainKey, error) {
	return keysOf(a.o.Directory.ActivateKeys(ctx, r.Domain, r.Selectors...))
}

func keysOf(keys []directory.Key, err error) ([]DomainKey, error) {
	all := make([]DomainKey, len(keys))
	for i, k := range keys {
		all[i] = DomainKey{
			Domain: k.Domain, Selector: k.Selector, Algorithm: string(k.Algorithm), State: k.State.String(),
			Name: dkim.RecordName(k.Selector, k.Domain), Record: k.Record,
			Created: k.Created, Activated: moment(k.Activated), Retired: moment(k.Retired), KeepUntil: moment(k.KeepUntil()),
		}
	}
	return all, err
}
