// Package roster is the list of all whom a server serves, as one document: its domains,
// its accounts with their settings and quotas, its aliases and groups.
//
// It owns the format, what differs between a document and a server (Diff, which is pure),
// whether the server would be in order afterwards, and the order in which it is made so.
// It keeps nothing: what is there is the directory's and the store's, and is changed by
// their operations only.
//
// What a document does not name stays as it is, unless deleting is asked for; then the
// document is the whole truth, but for passwords and for accounts that came by themselves
// from other directories. Nothing is written before everything was looked at; what
// breaks off can be run again. No password is ever part of a Change.
//
// The flow: Parse (text -> Document, or all that is wrong by line) -> Export (what is
// there) -> Diff -> check -> the directory, and the store for quotas.
package roster

import (
	"encoding/json"

	"posthorn/internal/directory"
)

// Document is the format, as JSON. Addresses are in the form in which the directory keeps
// them. A pointer that is nil is a setting that is not named.
type Document struct {
	Domains  []Domain  `json:"domains,omitempty"`
	Accounts []Account `json:"accounts,omitempty"`
	Aliases  []Alias   `json:"aliases,omitempty"`
}

// Domain is a domain whose mail is taken.
type Domain struct {
	Name     string    `json:"name"`
	AliasOf  string    `json:"alias_of,omitempty"`  // the domain whose addresses it has
	CatchAll *string   `json:"catch_all,omitempty"` // gets what is for nobody else; "": nobody does
	Admins   *[]string `json:"admins,omitempty"`    // accounts that administer it; sorted
	Limits   *Limits   `json:"limits,omitempty"`

	line int // of the file; 0: of none
}

// Limits are what the operator allows in a domain; 0: anything.
type Limits struct {
	Accounts int64 `json:"accounts,omitempty"`
	Quota    int64 `json:"quota,omitempty"` // bytes, of each account of which nothing else was set
}

// Account is somebody with mailboxes.
type Account struct {
	Address   string `json:"address"`
	Password  string `json:"password,omitempty"`  // {SCHEME}hash; from a password file plain text, too
	Directory string `json:"directory,omitempty"` // another one, which keeps the password
	Settings

	line int
}

// Settings are what can be set of an account.
type Settings struct {
	State     *string         `json:"state,omitempty"`
	Reason    *string         `json:"reason,omitempty"` // of the state
	Language  *string         `json:"language,omitempty"`
	Off       *[]string       `json:"mechanisms_off,omitempty"`
	Forward   *Forward        `json:"forward,omitempty"`
	Retention *map[string]int `json:"retention,omitempty"` // days by mailbox
	POP3      *directory.POP3 `json:"pop3,omitempty"`
	Quota     *Quota          `json:"quota,omitempty"`
}

// Forward says where an account's mail goes.
type Forward struct {
	To   []string `json:"to"`
	Keep bool     `json:"keep,omitempty"` // and into its mailbox
}

// Quota is what an account may take up; 0: there is no limit.
type Quota struct {
	Bytes     int64 `json:"bytes,omitempty"`
	Messages  int64 `json:"messages,omitempty"`
	Mailboxes int64 `json:"mailboxes,omitempty"`
	Metadata  int64 `json:"metadata,omitempty"` // bytes
}

// Alias is an address whose mail goes to others.
type Alias struct {
	Address string   `json:"address"`
	Targets []string `json:"targets"`
	Senders *string  `json:"senders,omitempty"` // anyone, members or domain

	line int
}

// anyone is the word for directory.Anyone.
const anyone = "anyone"

// complete names what is not named, as it is for those of whom nothing was set.
func (s *Settings) complete(quota Quota) {
	if s.State == nil {
		s.State = new(directory.StateActive.String())
	}
	unset(&s.Reason, "")
	unset(&s.Language, "")
	unset(&s.Off, []string{})
	unset(&s.Forward, Forward{To: []string{}})
	unset(&s.Retention, map[string]int{})
	unset(&s.POP3, directory.POP3{})
	unset(&s.Quota, quota)
}

func (d *Domain) complete() {
	unset(&d.CatchAll, "")
	unset(&d.Admins, []string{})
	unset(&d.Limits, Limits{})
}

func (a *Alias) complete() { unset(&a.Senders, anyone) }

// unset names a setting that is not.
func unset[T any](setting **T, value T) {
	if *setting == nil {
		*setting = &value
	}
}

// settings are those that an object names, as JSON by key.
func settings(object any, identity ...string) map[string]json.RawMessage {
	text, err := json.Marshal(object)
	if err != nil {
		panic("roster: a document that is no JSON: " + err.Error())
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		panic("roster: an object that is none: " + err.Error())
	}
	for _, key := range identity {
		delete(all, key)
	}
	return all
}
