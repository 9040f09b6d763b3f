// Package logintest has users for the tests of those behind whose doors they want to
// come in.
package logintest

import (
	"context"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/login"
	"posthorn/internal/store"
)

// Domain is that of all users; they need not say it.
const Domain = "example.test"

// Users are a login.Directory: the accounts by the local part of their address, and
// everybody's password.
type Users struct {
	Accounts map[string]store.AccountID
	Password string
	Closed   string // the account of somebody who may not log in
	Broken   string // whom it fails to look for
	Keyless  bool   // some have no keys for SCRAM
	Guessed  string // for whom too many wrong passwords came
}

// Gate is the door that lets them in, with their passwords.
func (u Users) Gate(inClear bool) *login.Gate {
	return login.New(login.Options{Directory: u, InClear: inClear, Only: []string{"PLAIN", "LOGIN"}})
}

// Authenticate is of login.Directory.
func (u Users) Authenticate(_ context.Context, user, password string, _ directory.Use) (directory.Proven, error) {
	name := strings.TrimSuffix(strings.ToLower(user), "@"+Domain)
	found, known := u.account(name)
	account := directory.Proven{Account: found}
	switch {
	case u.Broken != "" && name == u.Broken:
		return account, fault.New(fault.Unavailable, "test: the directory is down")
	case u.Guessed != "" && name == u.Guessed:
		return account, login.ErrGuesses
	case !known || password != u.Password:
		return account, fault.New(fault.Unauthenticated, "test: wrong")
	case account.State == directory.StateDisabled:
		return account, fault.New(fault.Denied, "test: closed")
	}
	return account, nil
}

// Adopt is of login.Directory.
func (u Users) Adopt(_ context.Context, address addr.Address, source string) (directory.Account, error) {
	if address.Domain != Domain {
		return directory.Account{}, fault.New(fault.NotFound, "test: %s is not ours", address)
	}
	return directory.Account{ID: 99, Address: address, Source: source}, nil
}

// Find is of login.Directory.
func (u Users) Find(_ context.Context, address addr.Address) (directory.Account, error) {
	account, known := u.account(address.Local)
	if !known || address.Domain != Domain {
		return account, fault.New(fault.NotFound, "test: there is no %s", address)
	}
	return account, nil
}

// ScramKeys is of login.Directory: nobody can use SCRAM.
func (u Users) ScramKeys(context.Context, string, directory.ScramHash, directory.Use) (directory.Scram, error) {
	return directory.Scram{Salt: []byte("salt"), Iterations: 4096}, nil
}

// ScramForAll is of login.Directory.
func (u Users) ScramForAll(context.Context) (bool, error) { return !u.Keyless, nil }

// SharedSecrets is of login.Directory: nobody has one.
func (u Users) SharedSecrets(context.Context, string, directory.Use) ([]directory.Secret, error) {
	return nil, nil
}

// Used is of login.Directory.
func (u Users) Used(context.Context, directory.AccountID, directory.CredentialID) {}

func (u Users) account(name string) (a directory.Account, known bool) {
	id, known := u.Accounts[name]
	closed := u.Closed != "" && name == u.Closed
	account := directory.Account{ID: directory.AccountID(id), Address: addr.Address{Local: name, Domain: Domain}}
	if closed {
		account.State = directory.StateDisabled
	}
	return account, known || closed
}
