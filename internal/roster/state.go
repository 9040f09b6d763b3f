package roster

import (
	"maps"
	"slices"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
)

// state is a document by name.
type state struct {
	domains  map[string]Domain
	accounts map[string]Account
	aliases  map[string]Alias
}

func stateOf(d Document) state {
	s := state{map[string]Domain{}, map[string]Account{}, map[string]Alias{}}
	for _, domain := range d.Domains {
		s.domains[domain.Name] = domain
	}
	for _, account := range d.Accounts {
		s.accounts[account.Address] = account
	}
	for _, alias := range d.Aliases {
		s.aliases[alias.Address] = alias
	}
	return s
}

// home is what an address is called here, as the directory keeps those that something
// points to.
func (s *state) home(text string) string {
	address, err := addr.Parse(text)
	if err != nil {
		return text
	}
	own, err := directory.Canonical(address)
	if err != nil {
		return text
	}
	domain, local := s.domains[own.Domain]
	switch {
	case !local:
		own.Local = address.Local
	case domain.AliasOf != "":
		own.Domain = domain.AliasOf
	}
	return own.String()
}

// quotaIn is what an account has of which nothing was set.
func (s *state) quotaIn(account string) Quota {
	if domain := s.domains[address(account).Domain]; domain.Limits != nil {
		return Quota{Bytes: domain.Limits.Quota}
	}
	return Quota{}
}

// homes are some addresses, each once.
func (s *state) homes(texts []string) []string {
	all := []string{}
	for _, text := range texts {
		if own := s.home(text); !slices.Contains(all, own) {
			all = append(all, own)
		}
	}
	return all
}

// local says whether an address is in a domain of ours.
func (s *state) local(target string) bool {
	_, local := s.domains[address(target).Domain]
	return local
}

// has says whether there is an address, with its tag or without.
func (s *state) has(target string) bool {
	base := untagged(target)
	_, account := s.accounts[target]
	_, baseAccount := s.accounts[base]
	_, alias := s.aliases[target]
	_, baseAlias := s.aliases[base]
	return account || baseAccount || alias || baseAlias
}

// untagged is an address without its tag.
func untagged(text string) string {
	address, err := addr.Parse(text)
	if err != nil {
		return text
	}
	address.Local, _ = addr.SplitTag(address.Local, directory.TagSeparator)
	return address.String()
}

// pointer is that something of ours points to an address.
type pointer struct {
	from   string // what, for people
	name   string // its own address; "": it has none
	line   int
	key    string
	target string
}

// pointers are all of them, in an order that is always the same.
func (s *state) pointers() (all []pointer) {
	for _, name := range slices.Sorted(maps.Keys(s.domains)) {
		if d := s.domains[name]; d.CatchAll != nil && *d.CatchAll != "" {
			all = append(all, pointer{"the catch-all of " + name, "", d.line, "domains.catch_all", s.home(*d.CatchAll)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.accounts)) {
		if a := s.accounts[name]; a.Forward != nil {
			for _, target := range a.Forward.To {
				all = append(all, pointer{"account " + name, name, a.line, "accounts.forward.to", target})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.aliases)) {
		for _, target := range s.aliases[name].Targets {
			all = append(all, pointer{"alias " + name, name, s.aliases[name].line, "aliases.targets", target})
		}
	}
	return all
}

// ordered sorts aliases so that each comes behind those that it points to. In circle are
// some that lead back to themselves.
func ordered(aliases map[string]Alias) (names, circle []string) {
	const (
		fresh = iota
		entered
		done
	)
	at := map[string]int{}
	var visit func(name string)
	visit = func(name string) {
		at[name] = entered
		for _, target := range aliases[name].Targets {
			_, isAlias := aliases[target]
			if !isAlias {
				target = untagged(target)
				_, isAlias = aliases[target]
			}
			if target == name {
				continue // that is told by itself
			}
			switch {
			case isAlias && at[target] == entered:
				circle = append(circle, target)
			case isAlias && at[target] == fresh:
				visit(target)
			}
		}
		at[name] = done
		names = append(names, name)
	}
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		if at[name] == fresh {
			visit(name)
		}
	}
	return names, circle
}
