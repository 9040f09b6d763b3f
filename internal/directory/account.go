package directory

import (
	"context"
	"encoding/binary"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/credential"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/srs"
)

// Account is somebody who has mailboxes and may log in.
type Account struct {
	ID       AccountID
	Address  addr.Address // canonical
	State    State
	Reason   string    // of the state, for the operator; "": none was given
	Since    time.Time // of the state; zero: since ever
	Locked   time.Time // since when it needs another password; zero: it does not. See Lock
	OfAdmin  bool      // an admin of the domain has set the state, rather than the operator
	Deleted  time.Time // zero: it is there
	Off      []string  // mechanisms of SASL that it cannot be logged in to with, upper case
	Created  time.Time
	Forward  []addr.Address // get its mail, too, or instead; see SetForward
	NoCopy   bool           // instead
	Language string         // as in RFC 5646, "zh-CN"; "": not known
	POP3     POP3
	// Retention says after how many days messages in a mailbox are deleted; see SetRetention.
	Retention map[string]int
	Source    string // the other directory that knows it, FromProvider; "": it is our own

	credential string
	removing   bool // its mail is being removed
	rehashed   bool // credential is of the same password as the one before
}

// KeepsMail says that its mail, forwarded or not, goes into its mailbox.
func (a *Account) KeepsMail() bool { return !a.NoCopy || len(a.Forward) == 0 }

// Scheme is how the account's password is hashed, "ARGON2ID".
func (a Account) Scheme() string { return credential.SchemeOf(a.credential) }

// Hash is what is kept of the account's password, {SCHEME}hash, as AddAccount takes it.
// It is for whoever moves accounts to another server.
func (a Account) Hash() string { return a.credential }

// AddAccount makes an account. The password is plain text, which is hashed, or
// {SCHEME}hash (see Schemes). Kinds of errors: Invalid, NotFound (the domain), Exists.
func (d *Directory) AddAccount(ctx context.Context, address addr.Address, password string) (Account, error) {
	address, err := canonical(address)
	if err != nil {
		return Account{}, err
	}
	if err := d.view(ctx, func(r kv.Reader) error { return mustBeFree(r, address) }); err != nil {
		return Account{}, err // before the work of hashing
	}
	fresh, err := d.newPassword(ctx, address, nil, password)
	if err != nil {
		return Account{}, err
	}
	var account Account
	err = d.update(ctx, func(w kv.Writer) (err error) {
		account, err = d.addAccount(w, address, "", fresh)
		return err
	})
	return account, err
}

// addAccount makes an account under the next number.
func (d *Directory) addAccount(w kv.Writer, address addr.Address, source string, fresh newPassword) (Account, error) {
	if err := mustTakeAccount(w, address); err != nil {
		return Account{}, err
	}
	sequence, _, err := get[sequenceRecord](w, []byte{sequenceKey})
	if err != nil {
		return Account{}, err
	}
	sequence.Last++
	account := Account{ID: sequence.Last, Address: address, Created: d.clock().UTC(), Source: source, credential: fresh.hash}
	if err := put(w, []byte{sequenceKey}, sequence); err != nil {
		return Account{}, err
	}
	return account, putNewAccount(w, account, fresh)
}

// mustTakeAccount is the error that there can be no new account of an address.
func mustTakeAccount(r kv.Reader, address addr.Address) error {
	if err := mustBeFree(r, address); err != nil {
		return err
	}
	return mustHaveRoom(r, address.Domain)
}

// mustBeFree is the error that an address is in use or its domain not ours.
func mustBeFree(r kv.Reader, address addr.Address) error {
	if _, err := mustOwn(r, address.Domain); err != nil {
		return err
	}
	switch name, ok, err := get[nameRecord](r, nameKey(address)); {
	case err != nil:
		return err
	case srs.Is(address.Local):
		return notToBeHad(address)
	case ok && name.Account == 0:
		return fault.New(fault.Exists, "%s is an alias already", address)
	case ok:
		return fault.New(fault.Exists, "account %s is there already", address)
	}
	return nil
}

// notToBeHad is the error that an address looks like one of ours for bounces.
func notToBeHad(address addr.Address) error {
	return fault.New(fault.Invalid, "%s cannot be had: addresses of this form are made when mail is forwarded", address)
}

func putNewAccount(w kv.Writer, a Account, fresh newPassword) error {
	if err := put(w, nameKey(a.Address), nameRecord{Account: a.ID}); err != nil {
		return err
	}
	if err := fresh.put(w, a.ID, nil); err != nil {
		return err
	}
	return writeAccount(w, a)
}

// putAccount writes a change of an account, whose secrets are written already, and ends the
// sessions that it could not have begun as it is now.
func (d *Directory) putAccount(w kv.Writer, a Account) error {
	before, err := readAccount(w, a.ID)
	if err != nil {
		return err
	}
	if err := d.revoke(w, lost(&before, &a)...); err != nil {
		return err
	}
	return writeAccount(w, a)
}

func writeAccount(w kv.Writer, a Account) error {
	rec := accountRecord{
		Address: a.Address.String(), Credential: a.credential, Created: a.Created, Deleted: a.Deleted, Removing: a.removing,
		Disabled: a.State == StateDisabled, State: a.State, StateOwn: a.OfAdmin, Reason: a.Reason, Since: a.Since, Locked: a.Locked, Off: a.Off, Retention: a.Retention,
		Forward: spell(a.Forward), NoCopy: a.NoCopy, Language: a.Language, Source: a.Source,
	}
	if a.POP3 != (POP3{}) {
		rec.POP3 = &a.POP3
	}
	if err := put(w, accountKey(a.ID), rec); err != nil {
		return err
	}
	return mark(w, a.ID, &rec)
}

// Account finds an account by its address; an alias is not one. Kind of error: NotFound.
func (d *Directory) Account(ctx context.Context, address addr.Address) (Account, error) {
	address, err := canonical(address)
	if err != nil {
		return Account{}, err
	}
	account, generation, ok := d.accounts.get(address)
	if ok {
		return account, nil
	}
	err = d.view(ctx, func(r kv.Reader) (err error) {
		account, err = findAccount(r, address)
		return err
	})
	if err == nil {
		d.accounts.put(address, account, generation)
	}
	return account, err
}

// AccountByID finds an account by its number. Kind of error: NotFound, also if it is deleted.
func (d *Directory) AccountByID(ctx context.Context, id AccountID) (account Account, err error) {
	err = d.view(ctx, func(r kv.Reader) error {
		rec, ok, err := get[accountRecord](r, accountKey(id))
		if err == nil && (!ok || !rec.Deleted.IsZero()) {
			err = fault.New(fault.NotFound, "there is no account %d", id)
		}
		if err == nil {
			account, err = accountOf(id, rec)
		}
		return err
	})
	return account, err
}

func findAccount(r kv.Reader, address addr.Address) (Account, error) {
	address, _, err := home(r, address)
	if err != nil {
		return Account{}, err
	}
	name, ok, err := get[nameRecord](r, nameKey(address))
	switch {
	case err != nil:
		return Account{}, err
	case ok && name.Account == 0:
		return Account{}, fault.New(fault.NotFound, "%s is an alias, not an account", address)
	case !ok:
		return Account{}, fault.New(fault.NotFound, "there is no account %s", address)
	}
	return readAccount(r, name.Account)
}

// readAccount reads an account that a name points to.
func readAccount(r kv.Reader, id AccountID) (Account, error) {
	rec, ok, err := get[accountRecord](r, accountKey(id))
	if err != nil {
		return Account{}, err
	}
	if !ok {
		return Account{}, fault.New(fault.Corrupt, "directory: account %d is named but has no record", id)
	}
	return accountOf(id, rec)
}

func accountOf(id AccountID, rec accountRecord) (Account, error) {
	address, err := addr.Parse(rec.Address)
	if err != nil {
		return Account{}, fault.New(fault.Corrupt, "directory: account %d: %w", id, err)
	}
	forward, err := parseAll(rec.Forward)
	if err != nil {
		return Account{}, fault.New(fault.Corrupt, "directory: account %d forwards: %w", id, err)
	}
	account := Account{
		ID: id, Address: address, Created: rec.Created, Deleted: rec.Deleted, removing: rec.Removing,
		State: rec.state(), OfAdmin: rec.StateOwn, Reason: rec.Reason, Since: rec.Since, Locked: rec.Locked, Off: rec.Off, Retention: rec.Retention,
		Forward: forward, NoCopy: rec.NoCopy, Language: rec.Language, Source: rec.Source, credential: rec.Credential,
	}
	if rec.POP3 != nil {
		account.POP3 = *rec.POP3
	}
	return account, nil
}

// Accounts calls fn with every account, in the order in which they were made, until
// fn returns false. fn must not call the Directory.
func (d *Directory) Accounts(ctx context.Context, fn func(Account) bool) error {
	return d.view(ctx, func(r kv.Reader) error { return scanAccounts(r, fn) })
}

func scanAccounts(r kv.Reader, fn func(Account) bool) error {
	var failed error
	err := r.Scan(kv.Prefix([]byte{accountPrefix}), func(key, value []byte) bool {
		rec, err := decode[accountRecord](key, value)
		if err == nil {
			if !rec.Deleted.IsZero() {
				return true
			}
			var a Account
			if a, err = accountOf(AccountID(binary.BigEndian.Uint64(key[1:])), rec); err == nil {
				return fn(a)
			}
		}
		failed = err
		return false
	})
	if failed != nil {
		return failed
	}
	return err
}

// longestLanguage is the longest tag there is any use for (RFC 5646 §4.4.1).
const longestLanguage = 35

// SetLanguage says in which language somebody is written to by us, as in RFC 5646,
// "zh-CN"; "": it is not known. Kinds of errors: Invalid, NotFound.
func (d *Directory) SetLanguage(ctx context.Context, address addr.Address, tag string) error {
	_, err := d.Set(ctx, address, Settings{Language: &tag})
	return err
}

func checkLanguage(tag string) error {
	for part := range strings.SplitSeq(tag, "-") {
		wrong := part == "" || len(part) > 8 || strings.ContainsFunc(part, func(c rune) bool {
			return (c < 'a' || 'z' < c) && (c < 'A' || 'Z' < c) && (c < '0' || '9' < c)
		})
		if tag != "" && wrong || len(tag) > longestLanguage {
			return fault.New(fault.Invalid, "%q is no language; want one like en, de or zh-CN", tag)
		}
	}
	return nil
}
