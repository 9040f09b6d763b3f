package directory

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/credential"
	"posthorn/internal/fault"
)

// Besides our own accounts there are those whom other directories know. One of these
// gets an account here when it is first met, by mail for it or by its login; from then on
// all that an account has (mail, quota, aliases, states, app passwords) is here, but
// whether it is there, and its password, is for the other directory to say. What goes
// there is refused here, and kept until somebody deletes it. What the other
// directories say is remembered for minutes. One that is down is never
// taken for one that knows nobody.

// Source is another directory. Its methods may be called from any goroutine, and end
// when ctx does.
type Source interface {
	// Lookup finds who has an address of ours, in canonical form. Kinds of errors: NotFound;
	// any other means that it cannot be told now.
	Lookup(ctx context.Context, address addr.Address) (Found, error)
	// Close gives back what it holds, when the calls that are under way have ended.
	Close() error
}

// Binder tries passwords, for directories that do not give the hashes of them.
type Binder interface {
	// Verify checks the password of whom Lookup has found, with as much work for the zero
	// Found, who is nobody. The password is never empty. Kinds of errors: Unauthenticated; any
	// other means that it cannot be told now.
	Verify(ctx context.Context, found Found, password string) error
}

// Found is somebody in another directory.
type Found struct {
	Entry string // what it is called there, if a Binder needs that
	Hash  string // {SCHEME}hash of the password; "": no password is right
}

// FromProvider is the Account.Source of those whom an OpenID provider knows. It cannot be
// asked, but says who they are when they log in.
const FromProvider = "openid"

// Other is another directory, and how it is asked.
type Other struct {
	Name     string   // the Account.Source
	Domains  []string // that it is asked about; none: all of ours
	Source   Source
	Binder   Binder        // nil: the Source gives hashes
	Remember time.Duration // how long what it says is good: that somebody is there, that a password is right
	Timeout  time.Duration // of one question

	like atomic.Pointer[string] // the hash that was compared last
}

// serves says whether it is asked about a domain.
func (o *Other) serves(domain string) bool {
	return len(o.Domains) == 0 || slices.Contains(o.Domains, domain)
}

const (
	defaultRemember = 5 * time.Minute
	defaultTimeout  = 5 * time.Second
	// rememberNobody is how long somebody who was in no directory is not asked for again.
	rememberNobody = 30 * time.Second
	// outage is how long mail is taken for somebody who was last seen in a directory that
	// is down: his mailbox is here.
	outage = 24 * time.Hour
)

// SetSources says which other directories are asked, in this order, about those who are
// not in our own. It returns those that were asked before, for the caller to close.
func (d *Directory) SetSources(others []*Other) (before []*Other) {
	for _, o := range others {
		if o.Remember == 0 {
			o.Remember = defaultRemember
		}
		if o.Timeout == 0 {
			o.Timeout = defaultTimeout
		}
	}
	old := d.others.Swap(&others)
	d.places.forget()
	d.borrowed.forget()
	if old == nil {
		return nil
	}
	return *old
}

// Sources lists the names of the directories that are asked.
func (d *Directory) Sources() (names []string) {
	for _, o := range d.sources() {
		names = append(names, o.Name)
	}
	return names
}

func (d *Directory) sources() []*Other {
	if all := d.others.Load(); all != nil {
		return *all
	}
	return nil
}

// place is where somebody was found.
type place struct {
	in    *Other // nil: nowhere
	until time.Time
}

// elsewhere tells which other directory has an address, which is in its own domain.
// Kinds of errors: NotFound; Unavailable.
func (d *Directory) elsewhere(ctx context.Context, address addr.Address) (*Other, error) {
	known, _, ok := d.places.get(address)
	if !ok || !d.clock().Before(known.until) {
		// Whoever came first asks for all of them, so its giving up must not be theirs.
		result, err, _ := d.asking.Do(address.String(), func() (any, error) {
			in, _, err := d.ask(context.WithoutCancel(ctx), address)
			return in, err
		})
		if err != nil {
			return nil, err
		}
		return result.(*Other), nil
	}
	if known.in == nil {
		return nil, nowhere(address)
	}
	return known.in, nil
}

func nowhere(address addr.Address) error {
	return fault.New(fault.NotFound, "there is no account %s", address)
}

// expects says whether mail for an account of another directory is taken.
func (d *Directory) expects(ctx context.Context, address addr.Address) (bool, error) {
	_, err := d.elsewhere(ctx, address)
	switch {
	case err == nil:
		return true, nil
	case fault.Is(err, fault.NotFound):
		return false, nil
	}
	if last, _, ok := d.places.get(address); ok && last.in != nil && d.clock().Before(last.until.Add(outage)) {
		return true, nil
	}
	return false, err
}

// ask asks one directory after the other: the first that has the address counts. What it
// says is remembered.
func (d *Directory) ask(ctx context.Context, address addr.Address) (*Other, Found, error) {
	if _, local, err := d.homeOf(ctx, address); err != nil || !local {
		return nil, Found{}, firstOf(err, nowhere(address))
	}
	_, generation, _ := d.places.get(address)
	for _, o := range d.sources() {
		if !o.serves(address.Domain) {
			continue
		}
		found, err := o.lookup(ctx, address)
		switch {
		case fault.Is(err, fault.NotFound):
			continue
		case err != nil:
			return nil, Found{}, o.down(err)
		}
		d.places.put(address, place{o, d.clock().Add(o.Remember)}, generation)
		return o, found, nil
	}
	d.places.put(address, place{nil, d.clock().Add(rememberNobody)}, generation)
	return nil, Found{}, nowhere(address)
}

func (o *Other) lookup(ctx context.Context, address addr.Address) (Found, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	return o.Source.Lookup(ctx, address)
}

// down is that a directory cannot be asked: a failure for now, whatever it is.
func (o *Other) down(err error) error {
	return fault.New(fault.Unavailable, "directory %s: %w", o.Name, err)
}

// matchesElsewhere is matches for those whose password another directory knows.
func (d *Directory) matchesElsewhere(ctx context.Context, who *candidate, password string) (bool, error) {
	if password == "" { // RFC 4513 §5.1.2: a server of LDAP may take that for nobody, and be content
		return false, nil
	}
	digest := d.borrowed.digest(0, who.Address.String(), password)
	if d.borrowed.has(digest) {
		return who.known, nil
	}
	result, err, _ := d.flight.Do(string(digest[:])+who.Address.String(), func() (any, error) {
		return d.proveElsewhere(context.WithoutCancel(ctx), who, password, digest)
	})
	if err != nil {
		return false, err
	}
	return result.(bool), nil
}

// proveElsewhere asks the directory for the entry, and then about the password. Nobody is asked
// for, too, and his password tried where that of the one is for whom he stands.
func (d *Directory) proveElsewhere(ctx context.Context, who *candidate, password string, digest proof) (bool, error) {
	address := who.Address
	if !who.known {
		address, _ = addr.Parse(who.Address.Local) // the whole name that was tried
	}
	in, found, err := d.ask(ctx, address)
	switch {
	case err != nil && !fault.Is(err, fault.NotFound):
		return false, err
	case !who.known || err != nil:
		in, found = d.source(who.Source), Found{}
	}
	if in == nil {
		return false, nil
	}
	right, err := d.tries(ctx, in, found, password)
	if err != nil || !right || !who.known {
		return false, err
	}
	d.borrowed.add(digest, in.Remember)
	return true, nil
}

// source is the other directory of a name; nil if there is none.
func (d *Directory) source(name string) *Other {
	for _, o := range d.sources() {
		if o.Name == name {
			return o
		}
	}
	return nil
}

// tries says whether a password is that of whom a directory has.
func (d *Directory) tries(ctx context.Context, in *Other, found Found, password string) (bool, error) {
	if in.Binder != nil {
		d.work("bind")
		ctx, cancel := context.WithTimeout(ctx, in.Timeout)
		defer cancel()
		err := in.Binder.Verify(ctx, found, password)
		switch {
		case err == nil:
			return found != Found{}, nil
		case fault.Is(err, fault.Unauthenticated):
			return false, nil
		}
		return false, in.down(err)
	}
	hash := found.Hash
	if like := in.like.Load(); hash == "" && like != nil {
		hash = *like
	} else if hash == "" {
		hash = d.hash.Nobody()
	}
	verify, err := credential.ParseHash(hash)
	if err != nil { // which may quote it
		return false, in.down(fault.New(fault.Invalid, "a password there is not kept as {SCHEME}hash in a scheme that is known"))
	}
	in.like.Store(&hash)
	free, err := d.turn(ctx, d.maxWait)
	if err != nil {
		return false, err
	}
	defer free()
	d.work("verify " + credential.SchemeOf(hash))
	return verify(credential.Prepare(password)) && found.Hash != "", nil
}
