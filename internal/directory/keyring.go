package directory

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/dkim"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// keyRecord is a key as it is stored. The private key goes when the key retires.
type keyRecord struct {
	Algorithm dkim.Algorithm `json:"algorithm"`
	Private   []byte         `json:"private,omitempty"` // PKCS #8
	Record    string         `json:"record"`
	Created   time.Time      `json:"created"`
	Activated time.Time      `json:"activated,omitzero"`
	Retired   time.Time      `json:"retired,omitzero"`
}

// keysKey begins the keys of all keys of a domain.
func keysKey(domain string) []byte { return append(append([]byte{keyPrefix}, domain...), 0) }

func keyKey(domain, selector string) []byte { return append(keysKey(domain), selector...) }

func keyOf(domain, selector string, rec *keyRecord) Key {
	k := Key{
		Domain: domain, Selector: selector, Algorithm: rec.Algorithm, Record: rec.Record,
		Created: rec.Created, Activated: rec.Activated, Retired: rec.Retired,
	}
	switch {
	case !rec.Retired.IsZero():
		k.State = KeyRetired
	case !rec.Activated.IsZero():
		k.State = KeyActive
	}
	return k
}

// keyring is all the keys of a domain, within an Update or a View.
type keyring struct {
	domain string
	keys   []ringKey // by selector: the oldest first
}

type ringKey struct {
	Key
	record keyRecord
}

func readKeyring(r kv.Reader, domain string) (*keyring, error) {
	if err := mustServe(r, domain); err != nil {
		return nil, err
	}
	ring := &keyring{domain: domain}
	prefix := keysKey(domain)
	err := scan(r, kv.Prefix(prefix), func(key []byte, rec keyRecord) error {
		ring.keys = append(ring.keys, ringKey{keyOf(domain, string(key[len(prefix):]), &rec), rec})
		return nil
	})
	return ring, err
}

// lacks says that no key of an algorithm is in some state.
func (ring *keyring) lacks(a dkim.Algorithm, state KeyState) bool {
	return !slices.ContainsFunc(ring.keys, func(k ringKey) bool { return k.Algorithm == a && k.State == state })
}

// put writes a key and has it in the ring.
func (ring *keyring) put(w kv.Writer, selector string, rec keyRecord) (Key, error) {
	k := ringKey{keyOf(ring.domain, selector, &rec), rec}
	if i := slices.IndexFunc(ring.keys, func(k ringKey) bool { return k.Selector == selector }); i >= 0 {
		ring.keys[i] = k
	} else {
		ring.keys = append(ring.keys, k)
	}
	return k.Key, put(w, keyKey(ring.domain, selector), rec)
}

// selector finds a name for a key made at some time that none of the domain has had
// for a long time: DNS keeps what it was told of an old one.
func (ring *keyring) selector(at time.Time, a dkim.Algorithm) string {
	first := "ph" + at.Format("20060102") + string(a[:1])
	name := first
	for again := 2; slices.ContainsFunc(ring.keys, func(k ringKey) bool { return k.Selector == name }); again++ {
		name = first + strconv.Itoa(again)
	}
	return name
}

// activate has a key sign, and the one of its algorithm that signed so far retire.
func (ring *keyring) activate(w kv.Writer, i int, now time.Time) (Key, error) {
	chosen := ring.keys[i]
	for _, old := range slices.Clone(ring.keys) {
		if old.State != KeyActive || old.Algorithm != chosen.Algorithm {
			continue
		}
		old.record.Retired, old.record.Private = now, nil
		if _, err := ring.put(w, old.Selector, old.record); err != nil {
			return Key{}, err
		}
	}
	chosen.record.Activated = now
	return ring.put(w, chosen.Selector, chosen.record)
}

// deleteKeys takes a domain's keys away.
func deleteKeys(w kv.Writer, domain string) error {
	ring, err := readKeyring(w, domain)
	if err != nil {
		return err
	}
	for _, k := range ring.keys {
		if err := w.Delete(keyKey(domain, k.Selector)); err != nil {
			return err
		}
	}
	return nil
}

// freshKey is a key that no domain has yet.
type freshKey struct {
	algorithm dkim.Algorithm
	private   []byte
	record    string
}

// generateKeys makes a key of each algorithm. It takes its time, and so is done
// outside of every Update.
func generateKeys() ([]freshKey, error) {
	var fresh []freshKey
	for _, a := range dkim.Algorithms() {
		private, err := dkim.GenerateKey(a)
		if err != nil {
			return nil, err
		}
		der, err := dkim.MarshalPrivate(private)
		if err != nil {
			return nil, err
		}
		record, err := dkim.PublicRecord(private)
		if err != nil {
			return nil, err
		}
		fresh = append(fresh, freshKey{a, der, record.String()})
	}
	return fresh, nil
}

// prepared finds prepared keys by their selectors; without any, all.
func (ring *keyring) prepared(selectors []string) ([]int, error) {
	var found []int
	for i, k := range ring.keys {
		named := slices.Contains(selectors, k.Selector)
		if named && k.State != KeyPrepared {
			return nil, fault.New(fault.Invalid, "key %s of %s is %s; only one that is prepared can be activated", k.Selector, ring.domain, k.State)
		}
		if named || len(selectors) == 0 && k.State == KeyPrepared {
			found = append(found, i)
		}
	}
	switch {
	case len(selectors) == 0 && len(found) == 0:
		return nil, fault.New(fault.NotFound, "%s has no prepared keys; make some with: posthorn domain dkim rotate %s", ring.domain, ring.domain)
	case len(found) < len(selectors):
		return nil, fault.New(fault.NotFound, "%s has no key %s", ring.domain, strings.Join(selectors, " or no key "))
	}
	return found, nil
}

func signingKeys(r kv.Reader, domain string) ([]dkim.Key, error) {
	for ours, more := domain, true; more; _, ours, more = strings.Cut(ours, ".") {
		if local, err := isLocal(r, ours); err != nil {
			return nil, err
		} else if !local {
			continue
		}
		ring, err := readKeyring(r, ours)
		if err != nil {
			return nil, err
		}
		return ring.signing()
	}
	return nil, nil
}

// signing are the keys that sign, the algorithm first that is known best.
func (ring *keyring) signing() ([]dkim.Key, error) {
	var keys []dkim.Key
	for _, a := range dkim.Algorithms() {
		for _, k := range ring.keys {
			if k.State != KeyActive || k.Algorithm != a {
				continue
			}
			private, err := dkim.ParsePrivate(k.record.Private)
			if err != nil {
				return nil, fault.New(fault.KindOf(err), "directory: key %s of %s: %w", k.Selector, ring.domain, err)
			}
			keys = append(keys, dkim.Key{Domain: ring.domain, Selector: k.Selector, Algorithm: a, Private: private})
		}
	}
	return keys, nil
}
