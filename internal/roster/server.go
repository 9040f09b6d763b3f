package roster

import (
	"cmp"
	"context"
	"slices"

	"posthorn/internal/addr"
	"posthorn/internal/credential"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// Server is where the people of a document are.
type Server struct {
	Directory *directory.Directory
	Store     *store.Store
}

// Export writes down all that there is, with the hashes of passwords. What nobody has set
// is not named. Keys of DKIM, app passwords and what is sealed stay with the server.
func (s Server) Export(ctx context.Context) (Document, error) {
	var d Document
	domains, err := s.Directory.Domains(ctx)
	if err != nil {
		return Document{}, err
	}
	for _, domain := range domains {
		one, err := s.domainOf(ctx, domain)
		if err != nil {
			return Document{}, err
		}
		d.Domains = append(d.Domains, one)
	}
	all := stateOf(d)
	var accounts []directory.Account
	if err := s.Directory.Accounts(ctx, func(a directory.Account) bool { accounts = append(accounts, a); return true }); err != nil {
		return Document{}, err
	}
	for _, account := range accounts {
		quota, err := s.Store.Account(store.AccountID(account.ID)).Quota(ctx)
		if err != nil {
			return Document{}, err
		}
		one := accountOf(account)
		if q := (Quota{quota.Limit.Bytes, quota.Limit.Messages, quota.Limit.Mailboxes, quota.Limit.Annotations}); q != all.quotaIn(one.Address) {
			one.Quota = &q
		}
		d.Accounts = append(d.Accounts, one)
	}
	slices.SortFunc(d.Accounts, func(a, b Account) int { return cmp.Compare(a.Address, b.Address) })
	return d, s.Directory.Aliases(ctx, func(alias directory.Alias) bool {
		d.Aliases = append(d.Aliases, Alias{Address: alias.Address.String(), Targets: spell(alias.Targets), Senders: named(string(alias.Senders))})
		return true
	})
}

func (s Server) domainOf(ctx context.Context, domain directory.Domain) (Domain, error) {
	d := Domain{Name: domain.Name, AliasOf: domain.AliasOf}
	if d.AliasOf != "" {
		return d, nil
	}
	d.CatchAll = named(domain.CatchAll.String())
	d.Limits = named(Limits{Accounts: int64(domain.Limits.Accounts), Quota: domain.Limits.Quota})
	admins, err := s.Directory.Admins(ctx, domain.Name)
	if len(admins) > 0 {
		names := make([]string, len(admins))
		for i, admin := range admins {
			names[i] = admin.Address.String()
		}
		slices.Sort(names)
		d.Admins = &names
	}
	return d, err
}

func accountOf(account directory.Account) Account {
	a := Account{Address: account.Address.String(), Directory: account.Source}
	if account.Source == "" {
		a.Password = account.Hash()
	}
	if account.State != directory.StateActive {
		a.State = new(account.State.String())
	}
	a.Reason, a.Language = named(account.Reason), named(account.Language)
	if len(account.Off) > 0 {
		a.Off = &account.Off
	}
	if len(account.Forward) > 0 {
		a.Forward = &Forward{To: spell(account.Forward), Keep: account.KeepsMail()}
	}
	if len(account.Retention) > 0 {
		a.Retention = &account.Retention
	}
	a.POP3 = named(account.POP3)
	return a
}

// named is a setting that is set; nil if it is as for everybody.
func named[T comparable](value T) *T {
	var unset T
	if value == unset {
		return nil
	}
	return &value
}

func spell(addresses []addr.Address) []string {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = a.String()
	}
	return texts
}

// Plan compares a document, which is called file in errors, with what is there, and makes
// sure that all of it can be done. Kinds of errors: Invalid; Unavailable if another
// directory cannot be asked.
func (s Server) Plan(ctx context.Context, file string, want Document, o Options) (*Plan, error) {
	have, err := s.Export(ctx)
	if err != nil {
		return nil, err
	}
	if o.Passwords {
		if err := samePasswords(have, &want); err != nil {
			return nil, err
		}
	}
	plan := Diff(have, want, o)
	var failed error
	elsewhere := func(address string) bool {
		known, err := s.knows(ctx, address)
		failed = cmp.Or(failed, err)
		return known
	}
	err = plan.check(file, append(s.Directory.Sources(), directory.FromProvider), elsewhere)
	return plan, cmp.Or(failed, err)
}

// knows says whether another directory has an address.
func (s Server) knows(ctx context.Context, text string) (bool, error) {
	address, err := addr.Parse(untagged(text))
	if err != nil {
		return false, nil
	}
	return s.Directory.Elsewhere(ctx, address)
}

// samePasswords puts the hash that is kept in the place of a plain password that it is of.
func samePasswords(have Document, want *Document) error {
	before := stateOf(have)
	want.Accounts = slices.Clone(want.Accounts)
	for i := range want.Accounts {
		account := &want.Accounts[i]
		kept, there := before.accounts[account.Address]
		text, hash, err := credential.Parse(account.Password)
		if !there || kept.Password == "" || hash != "" || err != nil {
			continue
		}
		verify, err := credential.ParseHash(kept.Password)
		if err != nil {
			return fault.New(fault.Corrupt, "account %s: %w", account.Address, err)
		}
		if verify(text) {
			account.Password = kept.Password
		}
	}
	return nil
}
