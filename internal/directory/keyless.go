package directory

import (
	"context"
	"encoding/binary"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Of a password that came as a hash there are no SCRAM keys before its owner has logged in
// with it in plain. A program that is offered SCRAM mostly takes it, and fails for such an
// account, so SCRAM is for everybody or, unless somebody asks for it, for nobody. To tell
// at each connection, every account without keys has a mark, which is written or
// taken away with each change of it (putAccount). Stores from before there were marks, and
// those whose sealing key was given up, get them a batch at a time when it is asked.

// keylessRecord says of which accounts it is known whether they have to have a mark.
type keylessRecord struct {
	Key   string    `json:"key,omitempty"` // the sealing key at that time; with another one it is void
	Next  AccountID `json:"next,omitempty"`
	Whole bool      `json:"whole,omitempty"` // of all
}

// keylessBatch is how many accounts are looked at when it is asked.
const keylessBatch = 2000

func keylessKey(id AccountID) []byte {
	return binary.BigEndian.AppendUint64([]byte{keylessPrefix}, uint64(id))
}

// Keyless is an account with passwords that let somebody in, but not by SCRAM.
type Keyless struct {
	Address  addr.Address
	Password bool     // its own
	Apps     []string // names of app passwords
}

// keyless says whether there is such a password.
func (rec *accountRecord) keyless(secrets *secretsRecord, pepper *pepperRecord) bool {
	k := rec.lacks(secrets, pepper)
	return k.Password || len(k.Apps) > 0
}

// lacks finds these passwords. Of those in other directories it is not known here.
func (rec *accountRecord) lacks(secrets *secretsRecord, pepper *pepperRecord) (k Keyless) {
	switch rec.state() {
	case StateDisabled, StateSuspended, StateNoLogin:
		return k
	}
	if !rec.Deleted.IsZero() {
		return k
	}
	for i := range secrets.Apps {
		if !secrets.Apps[i].Keys.sealedNow(pepper) {
			k.Apps = append(k.Apps, secrets.Apps[i].Name)
		}
	}
	own := rec.Source == "" && !secrets.TOTP.active()
	k.Password = own && !(secrets.Password.ofPassword(rec.Credential) && secrets.Password.sealedNow(pepper))
	return k
}

// sealedNow says whether something is sealed with the store's key. The first key was
// not noted.
func (s *sealedRecord) sealedNow(pepper *pepperRecord) bool {
	return s != nil && (s.Key == pepper.Key || s.Key == "" && !pepper.Replaced)
}

// mark sees to the mark of an account whose secrets are written already.
func mark(w kv.Writer, id AccountID, rec *accountRecord) error {
	secrets, _, err := get[secretsRecord](w, secretsKey(id))
	if err != nil {
		return err
	}
	pepper, _, err := get[pepperRecord](w, []byte{pepperKey})
	if err != nil {
		return err
	}
	_, marked, err := w.Get(keylessKey(id))
	switch want := rec.keyless(&secrets, &pepper); {
	case err != nil || want == marked:
		return err
	case want:
		return put(w, keylessKey(id), struct{}{})
	}
	return w.Delete(keylessKey(id))
}

// ScramForAll says whether everybody who logs in with a password can do so by SCRAM. It
// costs the same whatever number of accounts there is. In doubt it is false: of those
// whom other directories know, and while old accounts are still looked at. Kinds
// of errors: those of the engine.
func (d *Directory) ScramForAll(ctx context.Context) (bool, error) {
	if len(d.sources()) > 0 {
		return false, nil
	}
	if _, err := d.box(ctx, false); fault.Is(err, fault.NotFound) || fault.Is(err, fault.Unavailable) {
		return false, nil // nothing is sealed, or cannot be read
	} else if err != nil {
		return false, err
	}
	all, generation, ok := d.scramForAll.get(struct{}{})
	if ok {
		return all, nil
	}
	marked, whole, err := d.marked(ctx)
	if err == nil && !marked && !whole {
		_, err, _ = d.flight.Do("marks", func() (any, error) { return nil, d.markMore(context.WithoutCancel(ctx)) })
		if err == nil {
			marked, whole, err = d.marked(ctx)
		}
	}
	if err != nil {
		return false, err
	}
	d.scramForAll.put(struct{}{}, whole && !marked, generation)
	return whole && !marked, nil
}

// ScramReach is whether SCRAM is offered, and what is in the way.
type ScramReach struct {
	Offered     bool // to everybody; listeners that name it offer it whatever there is
	Directories bool // others, which give no keys
	Unsealed    bool // there is no sealing key, or it cannot be read
	Accounts    []Keyless
}

// ScramReach finds what keeps SCRAM from being offered. It reads all accounts. Kinds of errors:
// those of the engine.
func (d *Directory) ScramReach(ctx context.Context) (s ScramReach, err error) {
	if s.Offered, err = d.ScramForAll(ctx); err != nil {
		return s, err
	}
	s.Directories = len(d.sources()) > 0
	_, err = d.box(ctx, false)
	s.Unsealed = fault.Is(err, fault.NotFound) || fault.Is(err, fault.Unavailable)
	if err != nil && !s.Unsealed {
		return s, err
	}
	err = d.view(ctx, func(r kv.Reader) (err error) {
		s.Accounts, err = keylessAccounts(r)
		return err
	})
	return s, err
}

func keylessAccounts(r kv.Reader) (all []Keyless, err error) {
	pepper, _, err := get[pepperRecord](r, []byte{pepperKey})
	if err != nil {
		return nil, err
	}
	secrets := map[AccountID]secretsRecord{}
	err = scan(r, kv.Prefix([]byte{secretsPrefix}), func(key []byte, rec secretsRecord) error {
		secrets[AccountID(binary.BigEndian.Uint64(key[1:]))] = rec
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = scan(r, kv.Prefix([]byte{accountPrefix}), func(key []byte, rec accountRecord) error {
		its := secrets[AccountID(binary.BigEndian.Uint64(key[1:]))]
		k := rec.lacks(&its, &pepper)
		if !k.Password && len(k.Apps) == 0 {
			return nil
		}
		var err error
		k.Address, err = addr.Parse(rec.Address)
		all = append(all, k)
		return err
	})
	return all, err
}

// marked says whether any account has a mark, and whether all have it that should.
func (d *Directory) marked(ctx context.Context) (marked, whole bool, err error) {
	err = d.view(ctx, func(r kv.Reader) error {
		pepper, known, err := readMarks(r)
		if err != nil || known.Key != pepper.Key {
			return err // what marks there are is void
		}
		whole = known.Whole
		within := kv.Prefix([]byte{keylessPrefix})
		within.From, within.Limit = keylessKey(0), 1
		return r.Scan(within, func(_, _ []byte) bool {
			marked = true
			return false
		})
	})
	return marked, whole, err
}

func readMarks(r kv.Reader) (pepper pepperRecord, known keylessRecord, err error) {
	if pepper, _, err = get[pepperRecord](r, []byte{pepperKey}); err == nil {
		known, _, err = get[keylessRecord](r, []byte{keylessPrefix})
	}
	return pepper, known, err
}

// markMore sees to the marks of the next accounts that were not looked at yet.
func (d *Directory) markMore(ctx context.Context) error {
	return d.update(ctx, func(w kv.Writer) error {
		pepper, known, err := readMarks(w)
		switch {
		case err != nil:
			return err
		case known.Key != pepper.Key:
			known = keylessRecord{Key: pepper.Key}
		case known.Whole:
			return nil
		}
		within := kv.Prefix([]byte{accountPrefix})
		within.From, within.Limit = accountKey(known.Next), keylessBatch
		batch := make(map[AccountID]accountRecord)
		if err := scan(w, within, func(key []byte, rec accountRecord) error {
			id := AccountID(binary.BigEndian.Uint64(key[1:]))
			batch[id], known.Next = rec, id+1
			return nil
		}); err != nil {
			return err
		}
		for id, rec := range batch {
			if err := mark(w, id, &rec); err != nil {
				return err
			}
		}
		known.Whole = len(batch) < keylessBatch
		return put(w, []byte{keylessPrefix}, known)
	})
}
