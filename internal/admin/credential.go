package admin

import (
	"context"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
)

// AppPassword is a password for one program.
type AppPassword struct {
	Address string    `json:"address"` // of the account
	Name    string    `json:"name"`
	Scope   []string  `json:"scope"`            // protocols; none: all of mail
	Shared  bool      `json:"shared,omitempty"` // for CRAM-MD5 and APOP, too
	Created time.Time `json:"created,omitzero"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
	Used    time.Time `json:"used,omitzero"`    // last, to the hour
	// Password is told once, by the one who makes it.
	Password string `json:"password,omitempty"`
}

// AccountState says what an account may do.
type AccountState struct {
	Address string `json:"address"`
	State   string `json:"state"` // directory.States
	Reason  string `json:"reason,omitempty"`
}

// AccountMechanisms are those that an account cannot be logged in to with.
type AccountMechanisms struct {
	Address string   `json:"address"`
	Off     []string `json:"off"`
}

// AccountCode is a one-time code of an account.
type AccountCode struct {
	Address string `json:"address"`
	Code    string `json:"code"`
}

// TOTP is what the owner of an account needs to set up one-time codes.
type TOTP struct {
	Secret   string   `json:"secret,omitempty"`
	URL      string   `json:"url,omitempty"`
	Recovery []string `json:"recovery"`
}

func (a *Admin) addApp(ctx context.Context, r AppPassword) (AppPassword, error) {
	address, err := addr.Parse(r.Address)
	if err != nil {
		return AppPassword{}, err
	}
	app, password, err := a.o.Directory.AddApp(ctx, address, directory.NewApp{Name: r.Name, Scope: r.Scope, Shared: r.Shared, Expires: r.Expires})
	made := appOf(address, app)
	made.Password = password
	return made, err
}

func appOf(address addr.Address, app directory.AppPassword) AppPassword {
	return AppPassword{
		Address: address.String(), Name: app.Name, Scope: append([]string{}, app.Scope...), Shared: app.Shared,
		Created: app.Created, Expires: app.Expires, Used: app.Used,
	}
}

func (a *Admin) listApps(ctx context.Context, r Name) ([]AppPassword, error) {
	account, err := a.account(ctx, r)
	if err != nil {
		return nil, err
	}
	apps, err := a.o.Directory.Apps(ctx, account.Address)
	all := make([]AppPassword, len(apps))
	for i, app := range apps {
		all[i] = appOf(account.Address, app)
	}
	return all, err
}

func (a *Admin) removeApp(ctx context.Context, r AppPassword) (Nothing, error) {
	address, err := addr.Parse(r.Address)
	if err != nil {
		return Nothing{}, err
	}
	return Nothing{}, a.o.Directory.RemoveApp(ctx, address, r.Name)
}

// shareSecret wants the account's password; with an empty one, it ends.
func (a *Admin) shareSecret(ctx context.Context, r Credentials) (Nothing, error) {
	address, err := addr.Parse(r.Address)
	if err != nil {
		return Nothing{}, err
	}
	if r.Password == "" {
		return Nothing{}, a.o.Directory.UnshareSecret(ctx, address)
	}
	return Nothing{}, a.o.Directory.ShareSecret(ctx, address, r.Password)
}

// forgetSecrets gives up what is sealed with a key that is lost.
func (a *Admin) forgetSecrets(ctx context.Context, _ Nothing) (Nothing, error) {
	return Nothing{}, a.o.Directory.ForgetSecrets(ctx)
}

func (a *Admin) enrolTOTP(ctx context.Context, r Name) (TOTP, error) {
	account, err := a.account(ctx, r)
	if err != nil {
		return TOTP{}, err
	}
	made, err := a.o.Directory.EnrolTOTP(ctx, account.Address, a.o.Site().Hostname)
	return TOTP(made), err
}

func (a *Admin) confirmTOTP(ctx context.Context, r AccountCode) (Nothing, error) {
	account, err := a.account(ctx, Name{r.Address})
	if err != nil {
		return Nothing{}, err
	}
	return Nothing{}, a.o.Directory.ConfirmTOTP(ctx, account.Address, r.Code)
}

func (a *Admin) verifyTOTP(ctx context.Context, r AccountCode) (Nothing, error) {
	account, err := a.account(ctx, Name{r.Address})
	if err != nil {
		return Nothing{}, err
	}
	return Nothing{}, a.o.Directory.VerifyTOTP(ctx, account.Address, r.Code)
}

func (a *Admin) renewRecovery(ctx context.Context, r Name) (TOTP, error) {
	account, err := a.account(ctx, r)
	if err != nil {
		return TOTP{}, err
	}
	codes, err := a.o.Directory.RenewRecovery(ctx, account.Address)
	return TOTP{Recovery: codes}, err
}

func (a *Admin) disableTOTP(ctx context.Context, r Name) (Nothing, error) {
	account, err := a.account(ctx, r)
	if err != nil {
		return Nothing{}, err
	}
	return Nothing{}, a.o.Directory.DisableTOTP(ctx, account.Address)
}

func (a *Admin) setState(ctx context.Context, r AccountState) (Account, error) {
	address, err := addr.Parse(r.Address)
	if err != nil {
		return Account{}, err
	}
	state, err := directory.ParseState(r.State)
	change := a.o.Directory.SetState
	if !callerOf(ctx).operator {
		change = a.o.Directory.SetStateOfAdmin
	}
	if err == nil {
		err = change(ctx, address, state, r.Reason)
	}
	if err == nil {
		err = a.reopen(ctx)
	}
	if err != nil {
		return Account{}, err
	}
	account, err := a.o.Directory.Account(ctx, address)
	return accountOf(account), err
}

func (a *Admin) setMechanisms(ctx context.Context, r AccountMechanisms) (Account, error) {
	address, err := addr.Parse(r.Address)
	if err == nil {
		err = a.o.Directory.SetOff(ctx, address, r.Off)
	}
	if err != nil {
		return Account{}, err
	}
	account, err := a.o.Directory.Account(ctx, address)
	return accountOf(account), err
}
