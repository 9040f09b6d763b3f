package directory

import (
	"context"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
)

// errWrong is the one answer to an unknown user and to a wrong password.
func errWrong() error {
	return fault.New(fault.Unauthenticated, "directory: wrong user or password")
}

// Authenticate proves that a password is the account's. The user is the account's
// address, not an alias. An unknown user costs as much time as a wrong password.
// Kinds of errors: Unauthenticated; Denied for the right password of a disabled
// account; Unavailable when too many passwords wait to be hashed.
func (d *Directory) Authenticate(ctx context.Context, user, password string) (Account, error) {
	if len(password) > maxPassword {
		return Account{}, errWrong()
	}
	account, err := d.login(ctx, user)
	known := err == nil
	switch {
	case fault.Is(err, fault.NotFound):
		account = Account{Address: addr.Address{Local: user}, credential: unknownCredential(d.hash)}
	case err != nil:
		return Account{}, err
	}
	matches, err := d.matches(ctx, account, password)
	switch {
	case err != nil:
		return Account{}, err
	case !known || !matches:
		return Account{}, errWrong()
	case account.Disabled:
		return Account{}, fault.New(fault.Denied, "directory: account %s is disabled", account.Address)
	}
	return account, nil
}

// login finds the account of a user name.
func (d *Directory) login(ctx context.Context, user string) (Account, error) {
	address, err := addr.Parse(user)
	if err != nil {
		return Account{}, fault.New(fault.NotFound, "directory: %w", err)
	}
	account, err := d.Account(ctx, address)
	if fault.Is(err, fault.Invalid) {
		return Account{}, fault.New(fault.NotFound, "directory: %w", err)
	}
	return account, err
}

// matches says whether a password is the one behind the account's credential. The
// digest of a match that is remembered was made from the credential, too: as soon
// as that changes, nothing that was proven before is worth anything.
func (d *Directory) matches(ctx context.Context, account Account, password string) (bool, error) {
	digest := d.proven.digest(account.ID, account.credential, password)
	if d.proven.has(digest) {
		return true, nil
	}
	// A program that opens ten connections at once pays for one. Whoever came
	// first works for all of them, so its giving up must not be theirs.
	result, err, _ := d.flight.Do(string(digest[:])+account.Address.String(), func() (any, error) {
		if d.proven.has(digest) {
			return true, nil
		}
		return d.prove(context.WithoutCancel(ctx), account, password, digest)
	})
	if err != nil {
		return false, err
	}
	return result.(bool), nil
}

// prove hashes a password and remembers a match.
func (d *Directory) prove(ctx context.Context, account Account, password string, digest proof) (bool, error) {
	free, err := d.turn(ctx, d.maxWait)
	if err != nil {
		return false, err
	}
	defer free()
	verify, err := parseCredential(account.credential)
	if err != nil {
		return false, fault.New(fault.Corrupt, "directory: account %d: %w", account.ID, err)
	}
	current := isCurrent(account.credential, d.hash)
	switch {
	case !verify(prepare(password)):
		if !current { // a cheaper scheme must not tell that the account exists
			d.hash.waste(password)
		}
		return false, nil
	case account.ID == 0: // somebody guessed the password of nobody
		return false, nil
	case current:
		d.proven.add(digest)
	default:
		d.renew(ctx, account, password)
	}
	return true, nil
}

// renew hashes a password that was kept under another scheme or other parameters
// the way new ones are. If that fails, the old credential goes on being good.
func (d *Directory) renew(ctx context.Context, account Account, password string) {
	credential := d.hash.credential(prepare(password))
	err := d.change(ctx, account.Address, func(a *Account) {
		if a.ID == account.ID && a.credential == account.credential {
			a.credential = credential
		}
	})
	if err != nil {
		d.log.Warn("password not hashed anew", "account", account.Address.String(), "error", err)
		return
	}
	d.proven.add(d.proven.digest(account.ID, credential, password))
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
