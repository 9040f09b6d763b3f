package directory

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"posthorn/internal/addr"
	"posthorn/internal/credential"
	"posthorn/internal/fault"
)

const (
	maxApps        = 50 // app passwords of an account
	longestAppName = 64 // characters
)

// AppPassword is a password for one program, made by us.
type AppPassword struct {
	ID      CredentialID
	Name    string   // what its owner calls it; unique in the account
	Scope   []string // the protocols that it is for, of Scopes; none: all
	Shared  bool     // can be read again, for CRAM-MD5 and APOP
	Created time.Time
	Expires time.Time // zero: never
	Used    time.Time // last, to the hour; zero: not yet
}

// NewApp says what an app password is to be.
type NewApp struct {
	Name    string
	Scope   []string
	Shared  bool
	Expires time.Time
}

func (n *NewApp) check(now time.Time) error {
	switch {
	case n.Name == "" || n.Name != strings.TrimSpace(n.Name) || utf8.RuneCountInString(n.Name) > longestAppName ||
		!utf8.ValidString(n.Name) || strings.ContainsFunc(n.Name, unicode.IsControl):
		return fault.New(fault.Invalid, "%q cannot be the name of an app password; want 1 to %d characters", n.Name, longestAppName)
	case !n.Expires.IsZero() && !n.Expires.After(now):
		return fault.New(fault.Invalid, "the app password would be over already, since %s", n.Expires.Format(time.RFC3339))
	}
	for _, protocol := range n.Scope {
		if !slices.Contains(Scopes(), protocol) {
			return fault.New(fault.Invalid, "%q is nothing that an app password can be for; want any of %s", protocol, strings.Join(Scopes(), ", "))
		}
	}
	return nil
}

// AddApp makes an app password and returns it in plain, this one time. Kinds of
// errors: Invalid, NotFound, Exists, Limit; Unavailable for a shared one without a key to seal it with.
func (d *Directory) AddApp(ctx context.Context, address addr.Address, n NewApp) (AppPassword, string, error) {
	if err := n.check(d.clock()); err != nil {
		return AppPassword{}, "", err
	}
	account, secrets, err := d.withSecrets(ctx, address)
	if err != nil {
		return AppPassword{}, "", err
	}
	pepper, err := d.loadPepper(ctx)
	if err != nil {
		return AppPassword{}, "", err
	}
	password := credential.NewAppPassword()
	app := appRecord{
		ID: newID(), Name: n.Name, Scope: n.Scope, Hash: credential.AppHash(pepper, uint64(account.ID), password),
		Created: d.clock().UTC(), Expires: n.Expires, Shared: n.Shared,
	}
	if err := d.sealApp(ctx, &app, account.ID, secrets, password); err != nil {
		return AppPassword{}, "", err
	}
	err = d.changeSecrets(ctx, address, func(a *Account, rec *secretsRecord) error {
		switch {
		case slices.ContainsFunc(rec.Apps, func(other appRecord) bool { return other.Name == n.Name }):
			return fault.New(fault.Exists, "%s has an app password %q already; remove it first", a.Address, n.Name)
		case len(rec.Apps) >= maxApps:
			return fault.New(fault.Limit, "%s has %d app passwords, which is the most; remove one that is not used", a.Address, maxApps)
		}
		rec.Apps = append(rec.Apps, app)
		return nil
	})
	return app.public(), password, err
}

func newID() string {
	id := make([]byte, 5)
	rand.Read(id) // never fails
	return hex.EncodeToString(id)
}

// sealApp adds what SCRAM and, if it is shared, CRAM-MD5 need.
func (d *Directory) sealApp(ctx context.Context, app *appRecord, id AccountID, secrets *secretsRecord, password string) error {
	box, err := d.box(ctx, true)
	if err != nil {
		if app.Shared {
			return err
		}
		d.seal.warn.Do(func() { d.log.WarnContext(ctx, "app passwords are kept without keys for SCRAM", "error", err) })
		return nil
	}
	content, err := secrets.derive(credential.AppForms(password))
	if err != nil {
		return err
	}
	if app.Shared {
		content.Text = password
	}
	app.Keys, err = seal(box, id, app.purpose(), content)
	return err
}

func (app *appRecord) purpose() string { return "app password " + app.ID }

func (app *appRecord) public() AppPassword {
	return AppPassword{
		ID: CredentialID(app.ID), Name: app.Name, Scope: app.Scope, Shared: app.Shared, Created: app.Created, Expires: app.Expires,
	}
}

// Apps lists the app passwords of an account, the oldest first. Kind of error: NotFound.
func (d *Directory) Apps(ctx context.Context, address addr.Address) ([]AppPassword, error) {
	account, secrets, err := d.withSecrets(ctx, address)
	if err != nil {
		return nil, err
	}
	used, err := d.usedOf(ctx, account.ID)
	if err != nil {
		return nil, err
	}
	all := make([]AppPassword, len(secrets.Apps))
	for i := range secrets.Apps {
		all[i] = secrets.Apps[i].public()
		all[i].Used = used[all[i].ID]
	}
	return all, nil
}

// RemoveApp ends an app password, by its name or its ID. Kind of error: NotFound.
func (d *Directory) RemoveApp(ctx context.Context, address addr.Address, name string) error {
	return d.changeSecrets(ctx, address, func(a *Account, rec *secretsRecord) error {
		left := slices.DeleteFunc(slices.Clone(rec.Apps), func(app appRecord) bool { return app.Name == name || app.ID == name })
		if len(left) == len(rec.Apps) {
			return fault.New(fault.NotFound, "%s has no app password %q", a.Address, name)
		}
		rec.Apps = left
		return nil
	})
}

// appOf finds the app password that was given, of somebody who is there. For anybody
// else it does the same.
func (d *Directory) appOf(who *candidate, typed string) *appRecord {
	password, ok := credential.AppPassword(typed)
	pepper := d.pepper.Load()
	if !ok || pepper == nil {
		return nil
	}
	d.work("app hash")
	hash := credential.AppHash(*pepper, uint64(who.ID), password)
	var found *appRecord
	for i := range who.secrets.Apps {
		d.work("app compare")
		if hmac.Equal(hash, who.secrets.Apps[i].Hash) {
			found = &who.secrets.Apps[i]
		}
	}
	if !who.known {
		return nil
	}
	return found
}
