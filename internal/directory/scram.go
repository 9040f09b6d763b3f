package directory

import (
	"context"
	"time"

	"posthorn/internal/credential"
	"posthorn/internal/fault"
)

// ScramHash is the hash function of a SCRAM mechanism.
type ScramHash = credential.ScramHash

// The hash functions.
const (
	ScramSHA1   = credential.ScramSHA1
	ScramSHA256 = credential.ScramSHA256
)

// CredentialID names what somebody has proven himself with: an app password, or "" for
// the account's password.
type CredentialID string

// Proven is an account that somebody has proven to have.
type Proven struct {
	Account
	By    CredentialID
	Until time.Time // when that credential is over; zero: never
}

// Scram is what a server has to know for an exchange. A client may have used any of
// an account's passwords: its proof is tried against each key.
type Scram struct {
	Account    Account // zero for a user who is not there
	Salt       []byte
	Iterations int
	Keys       []ScramKey // at least one
}

// ScramKey belongs to one of the passwords.
type ScramKey struct {
	credential.ScramKey
	ID      CredentialID
	Until   time.Time // when the password is over; zero: never
	Refused error     // what whoever proves this key is told, of kind Denied, with a Refusal; nil: he is in
}

// ScramKeys gives the keys of a user for an exchange. One who is not there, or of whom no
// key can be known yet, gets a salt that is always the same and keys that nothing proves.
// Kinds of errors: those of the engine.
func (d *Directory) ScramKeys(ctx context.Context, user string, hash ScramHash, use Use) (Scram, error) {
	who, err := d.candidate(ctx, user)
	if err != nil {
		return Scram{}, err
	}
	pepper, err := d.loadPepper(ctx)
	if err != nil {
		return Scram{}, err
	}
	answer := Scram{Salt: who.secrets.Salt, Iterations: who.secrets.Iterations}
	nobody := ScramKey{ScramKey: credential.ScramKey{
		Stored: made(pepper, "stored", who.Address.String())[:hash.New().Size()],
		Server: made(pepper, "server", who.Address.String())[:hash.New().Size()],
	}}
	for _, c := range d.credentials(&who, d.boxOrNone(ctx), use) {
		for _, keys := range c.content.Forms {
			if who.known {
				answer.Keys = append(answer.Keys, ScramKey{keys.of(hash), c.id, c.until, c.refused})
			} else {
				answer.Keys = append(answer.Keys, nobody)
			}
		}
	}
	if who.known {
		answer.Account = who.Account
	}
	if len(answer.Keys) == 0 {
		answer.Keys = append(answer.Keys, nobody)
	}
	return answer, nil
}

// Secret is a password that is known in plain.
type Secret struct {
	Account Account // zero for a user who is not there
	Text    string
	ID      CredentialID
	Until   time.Time // as in ScramKey
	Refused error     // likewise
}

// SharedSecrets gives the passwords of a user as CRAM-MD5 and APOP need them: of
// accounts whose owner wants that (ShareSecret, AppPassword.Shared). For others, and for one
// who is not there, it is one that nobody knows. Kinds of errors: those of the engine.
func (d *Directory) SharedSecrets(ctx context.Context, user string, use Use) ([]Secret, error) {
	who, err := d.candidate(ctx, user)
	if err != nil {
		return nil, err
	}
	pepper, err := d.loadPepper(ctx)
	if err != nil {
		return nil, err
	}
	nobody := Secret{Text: string(made(pepper, "secret", who.Address.String()))}
	var all []Secret
	for _, c := range d.credentials(&who, d.boxOrNone(ctx), use) {
		switch {
		case c.content.Text == "":
		case who.known:
			all = append(all, Secret{who.Account, c.content.Text, c.id, c.until, c.refused})
		default:
			all = append(all, nobody)
		}
	}
	if len(all) == 0 {
		all = append(all, nobody)
	}
	return all, nil
}

// opened is what is sealed of one of an account's passwords.
type opened struct {
	id      CredentialID
	content *derived
	until   time.Time
	refused error
}

// credentials opens what is sealed of an account's passwords; of nobody, those of who
// stands for him.
func (d *Directory) credentials(who *candidate, box *credential.Box, use Use) []opened {
	var all []opened
	add := func(id CredentialID, content *derived, app *appRecord) {
		if content == nil {
			return
		}
		var until time.Time
		if app != nil {
			until = app.Expires
		}
		all = append(all, opened{id, content, until, who.refusal(use, app, d.clock())})
	}
	if own := who.secrets.Password; own.ofPassword(who.credential) {
		add("", own.open(box, who.owner, passwordPurpose), nil)
	}
	for i := range who.secrets.Apps {
		app := &who.secrets.Apps[i]
		if !use.inPerson() {
			add(CredentialID(app.ID), app.Keys.open(box, who.owner, app.purpose()), app)
		}
	}
	return all
}

// boxOrNone gives the box to read from. Without its key nothing that is sealed can be
// had, which is told once; passwords in plain still work.
func (d *Directory) boxOrNone(ctx context.Context) *credential.Box {
	box, err := d.box(ctx, false)
	if err != nil && !fault.Is(err, fault.NotFound) {
		d.seal.warn.Do(func() { d.log.WarnContext(ctx, "secrets of accounts cannot be read", "error", err) })
	}
	return box
}
