package roster

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"posthorn/internal/credential"
)

// Options say how far a server is brought to a document.
type Options struct {
	Delete    bool // what the document does not name goes
	Passwords bool // accounts that are there get the document's passwords, too
	AddOnly   bool // what is there stays as it is
}

// What is done.
const (
	Add    = "add"
	Modify = "change"
	Delete = "delete"
)

// Change is one thing to be done. There is no password in what it shows.
type Change struct {
	Verb     string    `json:"verb"` // Add, Modify, Delete
	Kind     string    `json:"kind"` // domain, account, alias
	Name     string    `json:"name"`
	Settings []Setting `json:"settings,omitempty"`

	domain  Domain // as the document has it; of what is deleted, as it was
	account Account
	alias   Alias
}

// Setting is one that changes. It is nil where it is not there; both are of a password.
type Setting struct {
	Key  string          `json:"key"`
	From json.RawMessage `json:"from,omitempty"`
	To   json.RawMessage `json:"to,omitempty"`
}

// Plan is what makes a server what a document says.
type Plan struct {
	Changes []Change
	Present int // accounts that are there and stay as they are, by AddOnly
	Kept    int // accounts that keep another password than the document's

	before, after state
	gone          map[string]bool // names that are deleted
}

// Diff says what a document changes. have is all that there is.
func Diff(have, want Document, o Options) *Plan {
	d := &differ{Options: o, Plan: &Plan{before: stateOf(have), after: stateOf(have), gone: map[string]bool{}}}
	for _, domain := range want.Domains {
		d.place(domain) // so that they are homes for what is in them
	}
	for _, domain := range want.Domains {
		d.domain(domain)
	}
	for _, account := range want.Accounts {
		d.account(account)
	}
	for _, alias := range want.Aliases {
		d.alias(alias)
	}
	if o.Delete && !o.AddOnly {
		d.deletions(stateOf(want))
	}
	slices.SortFunc(d.Changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Name, b.Name))
	})
	return d.Plan
}

// rank is when something is done: what others need comes first and goes last.
func (c *Change) rank() int {
	kinds := []string{"domain", "account", "alias"}
	if c.Verb == Delete {
		return 20 - slices.Index(kinds, c.Kind)
	}
	return 10*slices.Index([]string{Add, Modify}, c.Verb) + slices.Index(kinds, c.Kind)
}

type differ struct {
	*Plan
	Options
}

func (d *differ) place(want Domain) {
	have, there := d.before.domains[want.Name]
	if there && d.AddOnly {
		return
	}
	want.AliasOf = cmp.Or(want.AliasOf, have.AliasOf)
	if d.Delete {
		have = Domain{} // what is not named goes
	}
	want.CatchAll = cmp.Or(want.CatchAll, have.CatchAll)
	want.Admins = cmp.Or(want.Admins, have.Admins)
	want.Limits = cmp.Or(want.Limits, have.Limits)
	d.after.domains[want.Name] = want
}

func (d *differ) domain(want Domain) {
	have, there := d.before.domains[want.Name]
	if there && d.AddOnly {
		return
	}
	want.AliasOf = cmp.Or(want.AliasOf, have.AliasOf)
	if d.Delete && want.AliasOf == "" {
		want.complete()
	}
	if want.CatchAll != nil {
		want.CatchAll = new(d.after.home(*want.CatchAll))
	}
	have.complete()
	d.note(Change{Kind: "domain", Name: want.Name, domain: want}, there, changed(settings(have, "name"), settings(want, "name")))
}

func (d *differ) account(want Account) {
	have, there := d.before.accounts[want.Address]
	if there && d.AddOnly {
		d.Present++
		return
	}
	if d.Delete || !there {
		want.complete(d.after.quotaIn(want.Address))
	}
	if want.Forward != nil {
		want.Forward = &Forward{To: d.after.homes(want.Forward.To), Keep: want.Forward.Keep}
	}
	merged := want
	if want.Forward == nil {
		merged.Forward = have.Forward
	}
	merged.Directory = cmp.Or(want.Directory, have.Directory)
	d.after.accounts[want.Address] = merged
	have.complete(d.before.quotaIn(want.Address))
	if !there {
		have.Quota = &Quota{}
	}
	if want.State != nil && *want.State != *have.State && want.Reason == nil {
		want.Reason = new("") // the one that there is belongs to the other state
	}
	named := changed(settings(have.Settings), settings(want.Settings))
	if there && want.Password != "" && want.Password != have.Password {
		switch {
		case d.Passwords:
			named = append(named, Setting{Key: "password"})
		case !plain(want.Password):
			d.Kept++
		}
	}
	d.note(Change{Kind: "account", Name: want.Address, account: want}, there, named)
}

// plain says that a password is not a hash, and cannot be compared with one just so.
func plain(password string) bool {
	_, hash, err := credential.Parse(password)
	return err == nil && hash == ""
}

func (d *differ) alias(want Alias) {
	have, there := d.before.aliases[want.Address]
	if there && d.AddOnly {
		return
	}
	if d.Delete {
		want.complete()
	}
	want.Targets = d.after.homes(want.Targets)
	d.after.aliases[want.Address] = want
	if want.Senders == nil && there {
		want.Senders = have.Senders // it is written together with the targets
	}
	have.complete()
	d.note(Change{Kind: "alias", Name: want.Address, alias: want}, there, changed(settings(have, "address"), settings(want, "address")))
}

// note adds a change, if it is one.
func (d *differ) note(c Change, there bool, named []Setting) {
	c.Verb, c.Settings = Modify, named
	if there && len(named) == 0 {
		return
	}
	if !there {
		c.Verb = Add
		for i := range named {
			named[i].From = nil
		}
	}
	d.Changes = append(d.Changes, c)
}

// changed lists the settings that are named and not so.
func changed(have, want map[string]json.RawMessage) (all []Setting) {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !bytes.Equal(have[key], want[key]) {
			all = append(all, Setting{Key: key, From: have[key], To: want[key]})
		}
	}
	return all
}

// deletions are of all that is not named. Accounts of other directories are not for the
// document to name: they come by themselves.
func (d *differ) deletions(named state) {
	for name, domain := range d.before.domains {
		if _, ok := named.domains[name]; !ok {
			delete(d.after.domains, name)
			d.remove(Change{Kind: "domain", Name: name, domain: domain})
		}
	}
	for address, account := range d.before.accounts {
		if _, ok := named.accounts[address]; !ok && account.Directory == "" {
			delete(d.after.accounts, address)
			d.remove(Change{Kind: "account", Name: address, account: account})
		}
	}
	for address, alias := range d.before.aliases {
		if _, ok := named.aliases[address]; !ok {
			delete(d.after.aliases, address)
			d.remove(Change{Kind: "alias", Name: address, alias: alias})
		}
	}
}

func (d *differ) remove(c Change) {
	c.Verb = Delete
	d.gone[c.Name] = true
	d.Changes = append(d.Changes, c)
}

// String shows a setting that changes, as the document spells it.
func (s Setting) String() string {
	switch {
	case s.From == nil && s.To == nil:
		return s.Key + ": another one"
	case s.From == nil:
		return s.Key + ": " + string(s.To)
	default:
		return s.Key + ": " + string(s.From) + " -> " + string(s.To)
	}
}
