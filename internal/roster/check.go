package roster

import (
	"maps"
	"slices"
	"strings"

	"posthorn/internal/addr"
)

// check says what would not be in order after a Plan. directories are the names of the
// other ones; elsewhere says of an address in a domain of ours that one of them has it.
func (p *Plan) check(file string, directories []string, elsewhere func(address string) bool) error {
	c := checker{problems: problems{file: file}, Plan: p, directories: directories}
	for _, name := range slices.Sorted(maps.Keys(p.after.domains)) {
		c.domain(p.after.domains[name])
	}
	for _, name := range slices.Sorted(maps.Keys(p.after.accounts)) {
		c.account(p.after.accounts[name])
	}
	for _, name := range slices.Sorted(maps.Keys(p.after.aliases)) {
		alias := p.after.aliases[name]
		c.place(alias.line, "aliases.address", "alias", name)
	}
	for _, to := range p.after.pointers() {
		switch {
		case to.target == to.name:
			c.add(to.line, to.key, "%s points to itself", to.from)
		case (p.before.local(to.target) || p.after.local(to.target)) && !p.after.has(to.target) && !elsewhere(to.target):
			c.add(to.line, to.key, "%s points to %s, which %s", to.from, to.target, c.fate(to.target))
		}
	}
	_, circle := ordered(p.after.aliases)
	for _, name := range circle {
		if alias := p.after.aliases[name]; alias.line > 0 {
			c.add(alias.line, "aliases.targets", "alias %s leads back to itself", name)
		}
	}
	return c.err()
}

type checker struct {
	problems
	*Plan
	directories []string
}

func (c *checker) domain(d Domain) {
	have, there := c.before.domains[d.Name]
	switch {
	case d.AliasOf == "":
		c.own(d)
		return
	case there && have.AliasOf == "":
		c.add(d.line, "domains.alias_of", "%s has addresses of its own; to make it an alias of %s, delete it first: posthorn domain delete %s", d.Name, d.AliasOf, d.Name)
	case there && have.AliasOf != d.AliasOf:
		c.add(d.line, "domains.alias_of", "%s is an alias of %s; to make it one of %s, delete it first: posthorn domain delete %s", d.Name, have.AliasOf, d.AliasOf, d.Name)
	}
	if of, ok := c.after.domains[d.AliasOf]; !ok {
		c.add(d.line, "domains.alias_of", "%s is an alias of %s, which %s", d.Name, d.AliasOf, c.fate(d.AliasOf))
	} else if of.AliasOf != "" {
		c.add(d.line, "domains.alias_of", "%s is an alias of %s, which is an alias of %s; want that", d.Name, d.AliasOf, of.AliasOf)
	}
	if d.CatchAll != nil || d.Admins != nil || d.Limits != nil {
		c.add(d.line, "domains", "%s is an alias of %s; what is set of that counts", d.Name, d.AliasOf)
	}
}

// own looks at a domain that has addresses of its own.
func (c *checker) own(d Domain) {
	if d.Admins != nil {
		for _, admin := range *d.Admins {
			if _, ok := c.after.accounts[admin]; !ok {
				c.add(d.line, "domains.admins", "there is no account %s", admin)
			}
		}
	}
	if d.Limits == nil || d.Limits.Accounts == 0 {
		return
	}
	added, most := 0, 0 // what is deleted goes last
	for i := range c.Changes {
		if ch := &c.Changes[i]; ch.Kind == "account" && address(ch.Name).Domain == d.Name && ch.Verb == Add {
			added++
		}
	}
	for name := range c.before.accounts {
		if address(name).Domain == d.Name {
			most++
		}
	}
	if most += added; added > 0 && int64(most) > d.Limits.Accounts {
		c.add(d.line, "domains.limits.accounts", "%s would have %d accounts (those that are to be deleted count until then); at most %d", d.Name, most, d.Limits.Accounts)
	}
}

func (c *checker) account(a Account) {
	c.place(a.line, "accounts.address", "account", a.Address)
	have, there := c.before.accounts[a.Address]
	switch {
	case !there && a.Directory == "" && a.Password == "":
		c.add(a.line, "accounts", "%s is new and needs a password (a {SCHEME}hash), a password_file, or the directory that knows it", a.Address)
	case !there && a.Directory != "" && a.Password != "":
		c.add(a.line, "accounts.directory", "the password of %s is kept in the directory %s; take it out here", a.Address, a.Directory)
	case !there && a.Directory != "" && !slices.Contains(c.directories, a.Directory):
		c.add(a.line, "accounts.directory", "no directory is called %q; want one of %s", a.Directory, strings.Join(c.directories, ", "))
	case there && a.Directory != have.Directory:
		c.add(a.line, "accounts.directory", "%s is %s; to change that, give it a password with: posthorn account passwd %s", a.Address, known(have.Directory), a.Address)
	case there && have.Directory != "" && a.Password != "":
		c.add(a.line, "accounts.password", "the password of %s is kept in the directory %s; take it out here, or give it one with: posthorn account passwd %s", a.Address, have.Directory, a.Address)
	}
	if _, both := c.after.aliases[a.Address]; both {
		c.add(a.line, "accounts.address", "%s is an alias, too; delete one of them first", a.Address)
	}
}

func known(in string) string {
	if in == "" {
		return "an account of our own"
	}
	return "known to the directory " + in
}

// place notes that an address is not in a domain that has addresses.
func (c *checker) place(line int, key, kind, text string) {
	address, err := addr.Parse(text)
	if err != nil {
		c.add(line, key, "%v", err)
		return
	}
	switch domain, ok := c.after.domains[address.Domain]; {
	case !ok:
		c.add(line, key, "%s %s is in %s, which %s", kind, text, address.Domain, c.fate(address.Domain))
	case domain.AliasOf != "":
		c.add(line, key, "%s %s is in %s, an alias of %s; what is to be there belongs into that", kind, text, domain.Name, domain.AliasOf)
	}
}

// fate says why something is not there.
func (c *checker) fate(name string) string {
	if c.gone[name] || c.gone[untagged(name)] {
		return "the file does not name, and so would be deleted"
	}
	return "does not exist"
}
