package directory

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Use is what somebody logs in for.
type Use struct {
	Protocol string // "imap", "pop3", "smtp", "sieve", "web", "admin"; "": any of the first four
}

// inPerson says that a use is for people rather than for their programs: it wants the
// account's own password and, of an account that is guarded by them, a one-time code,
// which whoever asks for this use must ask for. App passwords are not for it.
func (u Use) inPerson() bool { return u.Protocol == "web" || u.Protocol == "admin" }

// Scopes lists the protocols for which an app password can be.
func Scopes() []string { return []string{"imap", "pop3", "smtp", "sieve"} }

// Refusal is why somebody who has proven who he is cannot come in all the same. Its text is
// for him. It is in the chain of errors of the kind Denied.
type Refusal struct{ Text string }

func (r *Refusal) Error() string { return r.Text }

// maxStrangers and longestStranger bound what is remembered of those who are not there.
const (
	maxStrangers    = 1 << 13
	longestStranger = 254 // RFC 5321 §4.5.3.1.3: no address is longer
)

// candidate is who somebody claims to be. A user who is not there is one as well:
// he stands in for one of the accounts, chosen by his name and always the same one, so
// that he costs what these cost, in whatever schemes their passwords are hashed, but
// nothing proves him.
type candidate struct {
	Account
	known   bool
	secrets *secretsRecord
	owner   AccountID // of the secrets
}

func (d *Directory) candidate(ctx context.Context, user string) (candidate, error) {
	pepper, err := d.loadPepper(ctx)
	if err != nil {
		return candidate{}, err
	}
	account, err := d.login(ctx, user)
	switch {
	case fault.Is(err, fault.NotFound):
		return d.stranger(ctx, pepper, user)
	case err != nil:
		return candidate{}, err
	}
	if account.ID == 0 {
		return candidate{account, true, freshSecrets(pepper, account.Address.String()), 0}, nil
	}
	secrets, err := d.secretsOf(ctx, pepper, &account)
	return candidate{account, true, secrets, account.ID}, err
}

func (d *Directory) stranger(ctx context.Context, pepper []byte, user string) (candidate, error) {
	who, generation, ok := d.strangers.get(user)
	if ok {
		return who, nil
	}
	err := d.view(ctx, func(r kv.Reader) error {
		name := strings.ToLower(user)
		if address, err := addr.Parse(user); err == nil {
			own, _, err := home(r, address) // an alias of a domain has the same people
			if err != nil {
				return err
			}
			name = own.String()
		}
		who = candidate{Account: Account{Address: addr.Address{Local: name}, credential: d.hash.Nobody()}}
		fresh := freshSecrets(pepper, name)
		like, err := standIn(r, binary.BigEndian.Uint64(made(pepper, "stand-in", name)))
		if err != nil || like == nil {
			who.secrets = fresh
			return err
		}
		who.credential, who.owner, who.Source = like.credential, like.ID, like.Source
		if who.secrets, err = readSecrets(r, pepper, like); err == nil {
			who.secrets.Salt = fresh.Salt
		}
		return err
	})
	if err == nil && len(user) <= longestStranger {
		d.strangers.put(user, who, generation)
	}
	return who, err
}

// standIn picks an account by a random number; nil if there is none.
func standIn(r kv.Reader, random uint64) (*Account, error) {
	sequence, ok, err := get[sequenceRecord](r, []byte{sequenceKey})
	if err != nil || !ok || sequence.Last == 0 {
		return nil, err
	}
	from := accountKey(AccountID(random%uint64(sequence.Last) + 1))
	all := kv.Prefix([]byte{accountPrefix})
	for _, within := range []kv.Range{{From: from, To: all.To, Limit: 1}, {From: all.From, To: from, Limit: 1}} {
		var found *Account
		err := scan(r, within, func(key []byte, rec accountRecord) error {
			found = &Account{ID: AccountID(binary.BigEndian.Uint64(key[1:])), credential: rec.Credential, Source: rec.Source}
			return nil
		})
		if err != nil || found != nil {
			return found, err
		}
	}
	return nil, nil
}

// refusal is why an account cannot be used although it is proven, by its password (app
// is nil) or by an app password; nil if it can. Kind of error: Denied.
func (who *candidate) refusal(use Use, app *appRecord, now time.Time) error {
	if err := who.Refuse(use); err != nil {
		return err
	}
	text := ""
	switch {
	case app == nil && !use.inPerson() && who.secrets.TOTP.active():
		text = "this account is guarded by one-time codes; mail programs need an app password in place of your own"
	case app != nil && use.inPerson():
		text = "app passwords are for mail programs; here your own password is wanted"
	case app != nil && !app.Expires.IsZero() && !now.Before(app.Expires):
		text = fmt.Sprintf("the app password %q is over since %s; make a new one", app.Name, app.Expires.Format(time.DateOnly))
	case app != nil && !app.covers(use):
		text = fmt.Sprintf("the app password %q is for %s only", app.Name, strings.Join(app.Scope, ", "))
	default:
		return nil
	}
	return refuse(&who.Account, text)
}

func refuse(a *Account, text string) error {
	return fault.New(fault.Denied, "directory: account %s: %w", a.Address, &Refusal{text})
}

// covers says whether an app password is for a use.
func (app *appRecord) covers(use Use) bool {
	return len(app.Scope) == 0 || slices.Contains(app.Scope, use.Protocol)
}
