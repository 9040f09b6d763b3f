package directory

import (
	"bytes"
	"context"
	"slices"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/credential"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// totpRecord is an account's one-time codes.
type totpRecord struct {
	Secret    []byte    `json:"secret"` // sealed
	Created   time.Time `json:"created"`
	Confirmed time.Time `json:"confirmed,omitzero"` // zero: they do not count yet
	Recovery  [][]byte  `json:"recovery,omitempty"` // hashes of the codes that are left
}

// active says that the account is guarded by one-time codes.
func (t *totpRecord) active() bool { return t != nil && !t.Confirmed.IsZero() }

const (
	totpPurpose   = "one-time codes"
	recoveryCodes = 10
	maxWrongCodes = 5               // in a row, before there is a pause
	codePause     = 5 * time.Minute // of so long
)

// TOTP is what an owner needs to set up one-time codes, told one time.
type TOTP struct {
	Secret   string   // to be typed into an authenticator app
	URL      string   // the same, to be shown as a QR code
	Recovery []string // each is good once, in place of a code
}

// EnrolTOTP begins with one-time codes for an account; they count from ConfirmTOTP on. What
// was begun before is void. Kinds of errors: NotFound; Exists, if it has some already;
// Unavailable without a key to seal the secret with.
func (d *Directory) EnrolTOTP(ctx context.Context, address addr.Address, issuer string) (TOTP, error) {
	account, err := d.Account(ctx, address)
	if err != nil {
		return TOTP{}, err
	}
	box, err := d.box(ctx, true)
	if err != nil {
		return TOTP{}, err
	}
	secret := credential.NewTOTP()
	codes, hashes, err := d.newRecovery(ctx, account.ID)
	if err != nil {
		return TOTP{}, err
	}
	err = d.changeSecrets(ctx, address, func(a *Account, rec *secretsRecord) error {
		if rec.TOTP.active() {
			return fault.New(fault.Exists, "%s has one-time codes already; end them first with: posthorn account totp disable %s", a.Address, a.Address)
		}
		sealed := box.Seal([]byte(secret), purposeOf(a.ID, totpPurpose))
		rec.TOTP = &totpRecord{Secret: sealed, Created: d.clock().UTC(), Recovery: hashes}
		return nil
	})
	return TOTP{secret, credential.TOTPURL(issuer, account.Address.String(), secret), codes}, err
}

func (d *Directory) newRecovery(ctx context.Context, id AccountID) (codes []string, hashes [][]byte, err error) {
	pepper, err := d.loadPepper(ctx)
	if err != nil {
		return nil, nil, err
	}
	for range recoveryCodes {
		code := credential.NewRecoveryCode()
		codes = append(codes, code)
		hashes = append(hashes, credential.RecoveryHash(pepper, uint64(id), code))
	}
	return codes, hashes, nil
}

// ConfirmTOTP has one-time codes count, once their owner has shown that he can make them. From
// then on mail programs need app passwords. Kinds of errors: NotFound,
// Unauthenticated, Limit, Unavailable.
func (d *Directory) ConfirmTOTP(ctx context.Context, address addr.Address, code string) error {
	if err := d.checkCode(ctx, address, code, false); err != nil {
		return err
	}
	return d.changeSecrets(ctx, address, func(a *Account, rec *secretsRecord) error {
		if rec.TOTP == nil {
			return noCodes(a)
		}
		if !rec.TOTP.active() {
			rec.TOTP.Confirmed = d.clock().UTC()
		}
		return nil
	})
}

// VerifyTOTP checks a one-time code, or a recovery code, of an account whose password
// was right. No code is good twice. Kinds of errors: Unauthenticated; NotFound, if there
// are none; Limit after too many wrong ones; Unavailable without the key to their secret.
func (d *Directory) VerifyTOTP(ctx context.Context, address addr.Address, code string) error {
	if recovery, ok := credential.RecoveryCode(code); ok {
		return d.useRecovery(ctx, address, recovery)
	}
	return d.checkCode(ctx, address, code, true)
}

// NeedsTOTP says whether an account is guarded by one-time codes. Kind of error: NotFound.
func (d *Directory) NeedsTOTP(ctx context.Context, address addr.Address) (bool, error) {
	_, secrets, err := d.withSecrets(ctx, address)
	return err == nil && secrets.TOTP.active(), err
}

// DisableTOTP ends one-time codes. Kind of error: NotFound.
func (d *Directory) DisableTOTP(ctx context.Context, address addr.Address) error {
	return d.changeSecrets(ctx, address, func(a *Account, rec *secretsRecord) error {
		if rec.TOTP == nil {
			return noCodes(a)
		}
		rec.TOTP = nil
		return nil
	})
}

// RenewRecovery makes new recovery codes; those from before are void. Kind of error: NotFound.
func (d *Directory) RenewRecovery(ctx context.Context, address addr.Address) ([]string, error) {
	account, err := d.Account(ctx, address)
	if err != nil {
		return nil, err
	}
	codes, hashes, err := d.newRecovery(ctx, account.ID)
	if err != nil {
		return nil, err
	}
	return codes, d.changeSecrets(ctx, address, func(a *Account, rec *secretsRecord) error {
		if rec.TOTP == nil {
			return noCodes(a)
		}
		rec.TOTP.Recovery = hashes
		return nil
	})
}

func noCodes(a *Account) error {
	return fault.New(fault.NotFound, "%s has no one-time codes; begin with: posthorn account totp enrol %s", a.Address, a.Address)
}

func errWrongCode() error { return fault.New(fault.Unauthenticated, "directory: wrong one-time code") }

// useRecovery takes a recovery code away.
func (d *Directory) useRecovery(ctx context.Context, address addr.Address, code string) error {
	pepper, err := d.loadPepper(ctx)
	if err != nil {
		return err
	}
	return d.changeSecrets(ctx, address, func(a *Account, rec *secretsRecord) error {
		if !rec.TOTP.active() {
			return noCodes(a)
		}
		hash := credential.RecoveryHash(pepper, uint64(a.ID), code)
		i := slices.IndexFunc(rec.TOTP.Recovery, func(other []byte) bool { return bytes.Equal(hash, other) })
		if i < 0 {
			return errWrongCode()
		}
		rec.TOTP.Recovery = slices.Delete(slices.Clone(rec.TOTP.Recovery), i, i+1)
		return nil
	})
}

// codeRecord is what happened to an account's one-time codes.
type codeRecord struct {
	Step  uint64    `json:"step"`            // of the last code that was taken; earlier ones are void
	Wrong int       `json:"wrong,omitempty"` // in a row
	At    time.Time `json:"at"`              // of the last try
}

// codeKey is in usedShard.
func codeKey(id AccountID) []byte { return append([]byte{codePrefix}, accountKey(id)[1:]...) }

// checkCode checks a one-time code and takes it. active: only codes that count.
func (d *Directory) checkCode(ctx context.Context, address addr.Address, code string, active bool) error {
	account, secrets, err := d.withSecrets(ctx, address)
	if err != nil {
		return err
	}
	if secrets.TOTP == nil || active && !secrets.TOTP.active() {
		return noCodes(&account)
	}
	box, err := d.box(ctx, false)
	if err != nil {
		return err
	}
	secret, err := box.Open(secrets.TOTP.Secret, purposeOf(account.ID, totpPurpose))
	if err != nil {
		return fault.New(fault.Unavailable, "the one-time codes of %s are sealed with a key that is lost; end them with: posthorn account totp disable %s: %w",
			account.Address, account.Address, err)
	}
	now := d.clock().UTC()
	step, right := credential.TOTPStep(code, string(secret), now)
	var verdict error // a wrong code is written down, so it is no error of the Update's
	err = d.engine.Update(ctx, []kv.Shard{usedShard}, func(tx kv.Tx) error {
		w := tx.In(usedShard)
		rec, _, err := get[codeRecord](w, codeKey(account.ID))
		if err != nil {
			return err
		}
		verdict = rec.take(step, right, now)
		return put(w, codeKey(account.ID), rec)
	})
	if err != nil {
		return err
	}
	return verdict
}

// take judges a code, and notes it.
func (rec *codeRecord) take(step uint64, right bool, now time.Time) error {
	if rec.Wrong >= maxWrongCodes && now.Before(rec.At.Add(codePause)) {
		return fault.New(fault.Limit, "directory: %d wrong one-time codes in a row; none is taken before %s", rec.Wrong, rec.At.Add(codePause).Format(time.TimeOnly))
	}
	rec.At = now
	if !right || step <= rec.Step {
		rec.Wrong++
		return errWrongCode()
	}
	rec.Step, rec.Wrong = step, 0
	return nil
}
