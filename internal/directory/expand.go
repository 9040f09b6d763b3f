package directory

import (
	"slices"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// TagSeparator stands between an account's name and the tag in `alice+lists`.
const TagSeparator = '+'

// maxExpansion bounds the addresses looked at for one recipient.
const maxExpansion = 1000

// expansion collects who is behind an address. What accounts forward comes last, so
// that it is known by then whom the address itself stands for.
type expansion struct {
	r       kv.Reader
	tag     string // of the address asked for
	seen    map[addr.Address]bool
	reached []AccountID
	found   Resolution
	passing []Recipient        // accounts that only forward
	later   []Account          // whose forwards have not been followed yet
	onward  bool               // what is found now is found by forwards of accounts
	gone    map[AccountID]bool // are not there any more
	closed  bool               // some account was disabled
	waiting []Recipient        // accounts that are suspended
}

func newExpansion(r kv.Reader, gone map[AccountID]bool) *expansion {
	return &expansion{r: r, gone: gone, seen: map[addr.Address]bool{}}
}

// all follows an address of ours to the end.
func (x *expansion) all(address addr.Address) (Resolution, error) {
	x.found.domain = address.Domain
	if err := x.expand(address, ""); err != nil {
		return Resolution{}, err
	}
	return x.finish()
}

// finish follows what accounts forward, and tells what was found.
func (x *expansion) finish() (Resolution, error) {
	x.onward = true
	for len(x.later) > 0 {
		account := x.later[0]
		x.later = x.later[1:]
		for _, target := range account.Forward {
			if err := x.follow(target, account.Address, ""); err != nil {
				return Resolution{}, err
			}
		}
	}
	if len(x.found.Recipients)+len(x.found.Forward) == 0 {
		x.found.Recipients = x.passing // they forward to each other, or to who takes no mail
	}
	alone := len(x.found.Recipients)+len(x.found.Forward) == 0
	if !alone { // the others cannot wait, and what is theirs must not be lost
		x.found.Recipients = append(x.found.Recipients, x.waiting...)
	}
	switch {
	case alone && len(x.waiting) > 0:
		x.found.Outcome = Suspended
	case len(x.found.Recipients)+len(x.found.Forward) > 0:
		x.found.Outcome = Deliver
	case x.closed:
		x.found.Outcome = Disabled
	default:
		x.found.Outcome = NoSuchUser
	}
	return x.found, nil
}

// follow goes on to where an alias or an account points: via.
func (x *expansion) follow(target, via addr.Address, tag string) error {
	own, local, err := home(x.r, target)
	if err != nil {
		return err
	}
	if local {
		return x.expand(own, tag)
	}
	if fresh, err := x.visit(own); err != nil || !fresh {
		return err
	}
	x.found.Forward = append(x.found.Forward, Forward{own, via})
	return nil
}

// visit notes an address; fresh is false for one that was there before.
func (x *expansion) visit(address addr.Address) (fresh bool, err error) {
	if x.seen[address] {
		return false, nil
	}
	if len(x.seen) == maxExpansion {
		return false, fault.New(fault.Limit, "directory: more than %d addresses behind one alias", maxExpansion)
	}
	x.seen[address] = true
	return true, nil
}

// expand follows one address of ours. tag is what the way to it has collected.
func (x *expansion) expand(address addr.Address, tag string) error {
	if fresh, err := x.visit(address); err != nil || !fresh {
		return err
	}
	name, own, ok, err := lookup(x.r, address)
	if err != nil || !ok {
		return err
	}
	first := len(x.seen) == 1
	switch {
	case own == address:
	case first:
		tag = x.tag
	default:
		_, tag = addr.SplitTag(address.Local, TagSeparator)
	}
	if name.Account != 0 {
		return x.account(name.Account, tag)
	}
	if first {
		x.found.Senders = name.Senders
	}
	alias, err := aliasOf(own, name)
	if err != nil {
		return err
	}
	for _, target := range alias.Targets {
		if err := x.follow(target, alias.Address, tag); err != nil {
			return err
		}
	}
	return nil
}

func (x *expansion) account(id AccountID, tag string) error {
	if slices.Contains(x.reached, id) || x.gone[id] {
		return nil
	}
	x.reached = append(x.reached, id)
	account, err := readAccount(x.r, id)
	if err != nil {
		return err
	}
	if account.borrowed() {
		x.found.borrowed = append(x.found.borrowed, Recipient{ID: id, Address: account.Address})
	}
	switch account.State {
	case StateDisabled:
		x.closed = true
		return nil
	case StateSuspended:
		x.waiting = append(x.waiting, Recipient{id, account.Address, tag})
		return nil
	}
	if !x.onward {
		x.found.owners = append(x.found.owners, id)
	}
	if account.KeepsMail() {
		x.found.Recipients = append(x.found.Recipients, Recipient{id, account.Address, tag})
	} else {
		x.passing = append(x.passing, Recipient{id, account.Address, tag})
	}
	if len(account.Forward) > 0 {
		x.later = append(x.later, account)
	}
	return nil
}

// lookup finds what a canonical address stands for, and under what address that is;
// an address with a tag that is not there itself stands for the one without.
func lookup(r kv.Reader, address addr.Address) (name nameRecord, own addr.Address, ok bool, err error) {
	name, ok, err = get[nameRecord](r, nameKey(address))
	if err != nil || ok {
		return name, address, ok, err
	}
	base, _ := addr.SplitTag(address.Local, TagSeparator)
	if base == address.Local {
		return nameRecord{}, address, false, nil
	}
	own = addr.Address{Local: base, Domain: address.Domain}
	name, ok, err = get[nameRecord](r, nameKey(own))
	return name, own, ok, err
}

// home finds what an address is called here: in its own domain rather than an alias
// of that. One that is elsewhere, local being false, has its domain in canonical
// form; what is no address of a mailbox is elsewhere.
func home(r kv.Reader, a addr.Address) (own addr.Address, local bool, err error) {
	address, err := canonical(a)
	if err != nil {
		return a, false, nil
	}
	domain, local, err := get[domainRecord](r, domainKey(address.Domain))
	switch {
	case err != nil || !local:
		return addr.Address{Local: a.Local, Domain: address.Domain}, false, err
	case domain.AliasOf != "":
		address.Domain = domain.AliasOf
	}
	return address, true, nil
}
