package directory

import (
	"context"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/credential"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// newPassword is a password on its way to an account: the work is done before the
// Update that stores it.
type newPassword struct {
	hash    string // {SCHEME}hash
	secrets *secretsRecord
	derived *derived        // nil: of a hash nothing can be derived
	box     *credential.Box // nil: there is none
}

// newPassword takes plain text or {SCHEME}hash. secrets are those of the account; nil
// for one that is new.
func (d *Directory) newPassword(ctx context.Context, address addr.Address, secrets *secretsRecord, password string) (newPassword, error) {
	plain, hash, err := credential.Parse(password)
	if err != nil || hash != "" {
		return newPassword{hash: hash}, err
	}
	if secrets == nil {
		pepper, err := d.loadPepper(ctx)
		if err != nil {
			return newPassword{}, err
		}
		secrets = freshSecrets(pepper, address.String())
	}
	free, err := d.turn(ctx, 0)
	if err != nil {
		return newPassword{}, err
	}
	defer free()
	return d.workOut(ctx, secrets, d.hash.Hash(plain), plain)
}

// workOut derives what is kept of a password besides its hash. Without a box that is
// nothing; whoever needs it says so.
func (d *Directory) workOut(ctx context.Context, secrets *secretsRecord, hash string, plain []byte) (newPassword, error) {
	p := newPassword{hash: hash, secrets: secrets}
	box, err := d.box(ctx, true)
	if err != nil {
		d.seal.warn.Do(func() { d.log.WarnContext(ctx, "passwords are kept without keys for SCRAM", "error", err) })
		return p, nil
	}
	p.box = box
	p.derived, err = secrets.derive(credential.ScramForms(string(plain)))
	if err == nil && secrets.Shared {
		p.derived.Text = string(plain)
	}
	return p, err
}

// put writes what was derived. rec are the secrets as they are now; nil: there are none.
func (p *newPassword) put(w kv.Writer, id AccountID, rec *secretsRecord) error {
	if rec == nil {
		if p.derived == nil {
			return nil
		}
		rec = &secretsRecord{Salt: p.secrets.Salt, Iterations: p.secrets.Iterations}
	}
	if err := p.into(rec, id); err != nil {
		return err
	}
	return put(w, secretsKey(id), rec)
}

// into puts what was derived into an account's secrets. When these have got another
// salt meanwhile, it is of no use; it is made again at the next login.
func (p *newPassword) into(rec *secretsRecord, id AccountID) (err error) {
	rec.Password = nil
	if p.derived == nil || string(rec.Salt) != string(p.secrets.Salt) || rec.Iterations != p.secrets.Iterations {
		return nil
	}
	if rec.Password, err = seal(p.box, id, passwordPurpose, p.derived); err == nil {
		rec.Password.For = fingerprint(p.hash)
	}
	return err
}

// SetPassword gives an account another password, given as for AddAccount. From
// then on nobody can log in with the old one. Kinds of errors: Invalid, NotFound; Denied if
// another directory keeps it.
func (d *Directory) SetPassword(ctx context.Context, address addr.Address, password string) error {
	account, secrets, err := d.withSecrets(ctx, address)
	if err != nil {
		return err // before the work of hashing
	}
	if err := d.mustBeOwn(&account); err != nil {
		return err
	}
	fresh, err := d.newPassword(ctx, account.Address, secrets, password)
	if err != nil {
		return err
	}
	return d.changeSecrets(ctx, address, func(a *Account, rec *secretsRecord) error {
		a.credential, a.Source, a.Locked = fresh.hash, "", time.Time{}
		return fresh.into(rec, a.ID)
	})
}

// withSecrets finds an account and its secrets, which must not be modified.
func (d *Directory) withSecrets(ctx context.Context, address addr.Address) (Account, *secretsRecord, error) {
	account, err := d.Account(ctx, address)
	if err != nil {
		return Account{}, nil, err
	}
	pepper, err := d.loadPepper(ctx)
	if err != nil {
		return Account{}, nil, err
	}
	secrets, err := d.secretsOf(ctx, pepper, &account)
	return account, secrets, err
}

// ShareSecret has an account's password kept so that it can be read again, sealed:
// CRAM-MD5 and APOP cannot do with less. The password is the account's own. Kinds of
// errors: Invalid, NotFound; Unavailable without a key to seal it with.
func (d *Directory) ShareSecret(ctx context.Context, address addr.Address, password string) error {
	account, secrets, err := d.withSecrets(ctx, address)
	if err != nil {
		return err
	}
	if err := d.mustBeOwn(&account); err != nil {
		return err
	}
	who := candidate{account, true, secrets, account.ID}
	switch right, err := d.matches(ctx, &who, password); {
	case err != nil:
		return err
	case !right:
		return fault.New(fault.Invalid, "that is not the password of %s", account.Address)
	}
	box, err := d.box(ctx, true)
	if err != nil {
		return err
	}
	content, err := secrets.derive(credential.ScramForms(password))
	if err != nil {
		return err
	}
	content.Text = string(credential.Prepare(password))
	return d.changeSecrets(ctx, address, func(a *Account, rec *secretsRecord) error {
		rec.Shared = true
		fresh := newPassword{hash: a.credential, secrets: secrets, derived: content, box: box}
		if a.credential != account.credential { // another one by now: it is kept at the next login
			fresh.derived = nil
		}
		return fresh.into(rec, a.ID)
	})
}

// UnshareSecret ends ShareSecret. Kind of error: NotFound.
func (d *Directory) UnshareSecret(ctx context.Context, address addr.Address) error {
	box, err := d.box(ctx, false)
	if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Unavailable) {
		return err
	}
	return d.changeSecrets(ctx, address, func(a *Account, rec *secretsRecord) error {
		rec.Shared = false
		content := rec.Password.open(box, a.ID, passwordPurpose)
		if content == nil || !rec.Password.ofPassword(a.credential) {
			rec.Password = nil
			return nil
		}
		content.Text = ""
		fresh := newPassword{hash: a.credential, secrets: rec, derived: content, box: box}
		return fresh.into(rec, a.ID)
	})
}
