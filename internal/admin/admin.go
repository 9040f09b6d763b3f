// Package admin is the administration face of the server: the operations behind
// the command line, as JSON over HTTP on the control socket.
//
// It owns no state, but for who may do what (access.go): every operation is a few
// calls to the directory, the store and the queue, and everything it says about a failure is
// what they say. Whoever can open the control socket may do everything, and is asked for
// no password. Accounts come over HTTP (api.go), and prove who they are at the door of
// package login.
//
// An operation is declared once, as a value that carries its name and the types of
// its request and its response (operation.go). The server's side binds it to a
// method (handler.go), which is reached only by those to whom the table of access.go
// grants it, and which leaves out what is not theirs (scope.go). The client's side calls
// it (client.go): over the socket of a running server; when none runs, over the same
// handler in the same process; or over HTTP (remote.go).
//
// Invariants: an operation that the table does not know is the operator's alone; so is
// every one for a caller that nobody knows. What is not a caller's looks as if it were
// not there. No operation for accounts reads a body or a hash.
package admin

import (
	"context"
	"io"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/audit"
	"posthorn/internal/certs"
	"posthorn/internal/directory"
	"posthorn/internal/dns"
	"posthorn/internal/dnszone"
	"posthorn/internal/fault"
	"posthorn/internal/filter/abuse"
	"posthorn/internal/filter/bans"
	"posthorn/internal/history"
	"posthorn/internal/queue"
	"posthorn/internal/search"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

// Domain is a domain whose mail is taken.
type Domain struct {
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	AliasOf  string    `json:"alias_of,omitempty"`  // the domain whose addresses it has
	CatchAll string    `json:"catch_all,omitempty"` // gets what is for nobody else

	MaxAccounts int   `json:"max_accounts,omitempty"`
	MaxQuota    int64 `json:"max_quota,omitempty"` // bytes of each account, as far as its admins can say
}

// Account is somebody with mailboxes.
type Account struct {
	ID       uint64    `json:"id"`
	Address  string    `json:"address"`
	Disabled bool      `json:"disabled"` // the state of that name
	State    string    `json:"state"`    // directory.States
	Reason   string    `json:"reason,omitempty"`
	Changed  time.Time `json:"changed,omitzero"` // when it got into that state
	Locked   time.Time `json:"locked,omitzero"`  // since when it needs a new password
	Deleted  time.Time `json:"deleted,omitzero"`
	Off      []string  `json:"off,omitempty"` // mechanisms that it cannot be logged in to with
	Scheme   string    `json:"scheme"`        // of the password's hash
	Created  time.Time `json:"created"`
	Forward  []string  `json:"forward,omitempty"`  // addresses that get its mail
	Keeps    bool      `json:"keeps,omitempty"`    // what is forwarded is in its mailbox, too
	Language string    `json:"language,omitempty"` // "zh-CN"; "": not known
	Source   string    `json:"source,omitempty"`   // the other directory that knows it; "": it is our own
}

// AccountDetails is an account with what is in it.
type AccountDetails struct {
	Account
	Aliases   []string  `json:"aliases"` // that point to it
	Mailboxes []Mailbox `json:"mailboxes"`
	Messages  int64     `json:"messages"`
	Bytes     int64     `json:"bytes"`
	Quota     int64     `json:"quota"` // bytes; 0: none; below 0: nothing may come in

	MaxMessages  int64 `json:"max_messages,omitempty"`
	MaxMailboxes int64 `json:"max_mailboxes,omitempty"`

	Held *AccountHold `json:"held,omitempty"` // what it submits is held

	TOTP        bool  `json:"totp"` // guarded by one-time codes
	Apps        int   `json:"apps"` // app passwords
	MaxMetadata int64 `json:"max_metadata,omitempty"`

	Administers []string `json:"administers,omitempty"` // domains, and their other names
}

// Mailbox is a mailbox of an account.
type Mailbox struct {
	Name     string `json:"name"`
	Messages uint32 `json:"messages"`
	Unseen   uint32 `json:"unseen"`
	Bytes    int64  `json:"bytes"`
}

// Alias is an address whose mail goes to others.
type Alias struct {
	Address string    `json:"address"`
	Targets []string  `json:"targets"`
	Senders string    `json:"senders,omitempty"` // who may write to it: "members", "domain"; "": anyone
	Created time.Time `json:"created"`
}

// AccountSettings are those of an account that can be changed; nil: as it is.
type AccountSettings struct {
	Address   string  `json:"address"`
	Language  *string `json:"language,omitempty"`
	Quota     *int64  `json:"quota,omitempty"`     // bytes; 0: none
	Messages  *int64  `json:"messages,omitempty"`  // at most so many; 0: no limit
	Mailboxes *int64  `json:"mailboxes,omitempty"` // likewise
	Metadata  *int64  `json:"metadata,omitempty"`  // bytes; 0: no limit
}

// Credentials name an account and a password for it, plain or {SCHEME}hash.
type Credentials struct {
	Address  string `json:"address"`
	Password string `json:"password"`
	Line     int    `json:"line,omitempty"` // of the file it was imported from
}

// AccountRename gives an account another address.
type AccountRename struct {
	Address string `json:"address"`
	To      string `json:"to"`
	Alias   bool   `json:"alias,omitempty"` // mail for the old one goes to it, too
}

// Imported says what an import did.
type Imported struct {
	Added   int `json:"added"`
	Present int `json:"present"` // were there already, and stay as they are
}

// Verified says what was looked at, and what is wrong.
type Verified struct {
	Accounts  int      `json:"accounts"`
	Mailboxes int      `json:"mailboxes"`
	Messages  int      `json:"messages"`
	Problems  []string `json:"problems"`
}

// Options are what the operations work on.
type Options struct {
	Directory *directory.Directory
	Store     *store.Store
	Queue     *queue.Queue
	History   *history.History
	Audit     *audit.Log
	Index     *search.Index
	Bans      *bans.Book
	Abuse     *abuse.Watch
	Keeper    *certs.Keeper
	Site      func() dnszone.Site  // what the world is to know of the server
	Resolver  func() *dns.Resolver // asked whether it does
	Sessions  *wire.Sessions       // of those who are logged in here; nil: no server runs
	// Send accepts a message from a program on this machine. nil: no server runs.
	Send func(ctx context.Context, e Envelope, message io.Reader) (Sent, error)
	// Administrators are the addresses of accounts that the configuration gives rights
	// over all of the server. nil: there are none.
	Administrators func() []string
}

// Admin carries out operations.
type Admin struct{ o Options }

// New makes an Admin.
func New(o Options) *Admin { return &Admin{o} }

func domainOf(d directory.Domain) Domain {
	return Domain{
		Name: d.Name, Created: d.Created, AliasOf: d.AliasOf, CatchAll: d.CatchAll.String(),
		MaxAccounts: d.Limits.Accounts, MaxQuota: d.Limits.Quota,
	}
}

func accountOf(a directory.Account) Account {
	return Account{
		ID: uint64(a.ID), Address: a.Address.String(), Scheme: a.Scheme(), Created: a.Created,
		Disabled: a.State == directory.StateDisabled, State: a.State.String(), Reason: a.Reason, Changed: a.Since, Locked: a.Locked, Off: a.Off, Deleted: a.Deleted,
		Forward: spell(a.Forward), Keeps: len(a.Forward) > 0 && a.KeepsMail(), Language: a.Language, Source: a.Source,
	}
}

func aliasOf(a directory.Alias) Alias {
	return Alias{Address: a.Address.String(), Targets: spell(a.Targets), Senders: string(a.Senders), Created: a.Created}
}

func spell(addresses []addr.Address) []string {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = a.String()
	}
	return texts
}

func parseAll(texts []string) ([]addr.Address, error) {
	addresses := make([]addr.Address, len(texts))
	for i, text := range texts {
		var err error
		if addresses[i], err = addr.Parse(text); err != nil {
			return nil, err
		}
	}
	return addresses, nil
}

// kindNamed finds a kind by its name, as it travels in an answer.
func kindNamed(name string) fault.Kind {
	for _, k := range fault.Kinds() {
		if k.String() == name {
			return k
		}
	}
	return fault.Internal
}
