package directory

import (
	"context"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/credential"
	"posthorn/internal/fault"
)

// errWrong is the one answer to an unknown user and to a wrong password.
func errWrong() error {
	return fault.New(fault.Unauthenticated, "directory: wrong user or password")
}

// Authenticate proves that a password is the account's, or one of its app passwords for
// this use. The user is the account's address, not an alias. A user who is not there
// costs the same work as a wrong password. Kinds of errors: Unauthenticated; Denied,
// with a Refusal, for the right password where it may not be used; Unavailable when too
// many passwords wait to be hashed, or another directory cannot be asked.
func (d *Directory) Authenticate(ctx context.Context, user, password string, use Use) (Proven, error) {
	if len(password) > credential.MaxPassword {
		return Proven{}, errWrong()
	}
	who, err := d.candidate(ctx, user)
	if err != nil {
		return Proven{}, err
	}
	if app := d.appOf(&who, password); app != nil {
		if err := who.refusal(use, app, d.clock()); err != nil {
			return Proven{}, err
		}
		d.Used(ctx, who.ID, CredentialID(app.ID))
		return Proven{who.Account, CredentialID(app.ID), app.Expires}, nil
	}
	matches, err := d.matches(ctx, &who, password)
	switch {
	case err != nil:
		return Proven{}, err
	case !who.known || !matches:
		return Proven{}, errWrong()
	}
	if err := who.refusal(use, nil, d.clock()); err != nil {
		return Proven{}, err
	}
	if who.ID == 0 {
		who.Account, err = d.Adopt(ctx, who.Address, who.Source)
	}
	return Proven{Account: who.Account}, err
}

// login finds the account of a user name. It has no ID if another directory knows the
// user, but we have not met him yet.
func (d *Directory) login(ctx context.Context, user string) (Account, error) {
	address, err := addr.Parse(user)
	if err != nil {
		return Account{}, fault.New(fault.NotFound, "directory: %w", err)
	}
	account, err := d.locate(ctx, address)
	if fault.Is(err, fault.Invalid) {
		return Account{}, fault.New(fault.NotFound, "directory: %w", err)
	}
	return account, err
}

// matches says whether a password is the one behind the account's hash.
func (d *Directory) matches(ctx context.Context, who *candidate, password string) (bool, error) {
	if who.borrowed() {
		return d.matchesElsewhere(ctx, who, password)
	}
	digest := d.proven.digest(who.ID, who.credential, password)
	if d.proven.extend(digest) {
		return true, nil
	}
	// A program that opens ten connections at once pays for one. Whoever came
	// first works for all of them, so its giving up must not be theirs.
	result, err, _ := d.flight.Do(string(digest[:])+who.Address.String(), func() (any, error) {
		if d.proven.extend(digest) {
			return true, nil
		}
		return d.prove(context.WithoutCancel(ctx), who, password, digest)
	})
	if err != nil {
		return false, err
	}
	return result.(bool), nil
}

// prove hashes a password and remembers a match. A hash of another scheme is followed
// by one of ours, whether as waste or because the password is hashed anew.
func (d *Directory) prove(ctx context.Context, who *candidate, password string, digest proof) (bool, error) {
	free, err := d.turn(ctx, d.maxWait)
	if err != nil {
		return false, err
	}
	defer free()
	verify, err := credential.ParseHash(who.credential)
	if err != nil {
		return false, fault.New(fault.Corrupt, "directory: account %d: %w", who.ID, err)
	}
	plain := credential.Prepare(password)
	current := d.hash.Made(who.credential)
	d.work("verify " + who.Scheme())
	right := verify(plain)
	if !current && !(right && who.known) {
		d.work("waste")
		d.hash.Waste(plain)
	}
	switch {
	case !right || !who.known: // the latter: somebody guessed the password of nobody
		return false, nil
	case !current || d.lacksKeys(ctx, who):
		d.renew(ctx, who, plain)
	default:
		d.proven.add(digest, provenTime)
	}
	return true, nil
}

// lacksKeys says that what is to be derived from the password has not been yet, or was
// sealed with a key that is lost.
func (d *Directory) lacksKeys(ctx context.Context, who *candidate) bool {
	own := who.secrets.Password
	if !own.ofPassword(who.credential) {
		return true
	}
	box, err := d.box(ctx, false)
	return fault.Is(err, fault.NotFound) || err == nil && own.open(box, who.owner, passwordPurpose) == nil
}

// renew hashes a password that was kept under another scheme or other parameters the way new
// ones are, and derives what is to be. If that fails, the old hash goes on being good.
func (d *Directory) renew(ctx context.Context, who *candidate, plain []byte) {
	hash := who.credential
	if !d.hash.Made(hash) {
		hash = d.hash.Hash(plain)
	}
	fresh, err := d.workOut(ctx, who.secrets, hash, plain)
	if err == nil && (fresh.derived != nil || hash != who.credential) {
		err = d.changeSecrets(ctx, who.Address, func(a *Account, rec *secretsRecord) error {
			if a.ID != who.ID || a.credential != who.credential {
				return nil
			}
			a.credential, a.rehashed = hash, true
			return fresh.into(rec, a.ID)
		})
	}
	if err != nil {
		d.log.WarnContext(ctx, "password not hashed anew", "account", who.Address.String(), "error", err)
		return
	}
	d.proven.add(d.proven.digest(who.ID, hash, string(plain)), provenTime)
}

// work tells a test what is done, so that it can be compared.
func (d *Directory) work(what string) {
	if d.worked != nil {
		d.worked(what)
	}
}

// turn waits for one of the few slots for hashing, which bound the memory and the
// processors that guessers can take. With no time limit it waits for ctx only.
func (d *Directory) turn(ctx context.Context, limit time.Duration) (free func(), err error) {
	free = func() { <-d.slots }
	select {
	case d.slots <- struct{}{}:
		return free, nil
	default:
	}
	var expired <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case d.slots <- struct{}{}:
		return free, nil
	case <-expired:
		return nil, fault.New(fault.Unavailable, "directory: too many logins at a time; passwords waited %v to be checked", limit)
	case <-ctx.Done():
		return nil, fault.New(fault.Canceled, "directory: %w", ctx.Err())
	}
}
