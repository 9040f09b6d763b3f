package directory

import (
	"context"
	"slices"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// TagSeparator stands between an account's name and the tag in `alice+lists`.
const TagSeparator = '+'

// maxExpansion bounds the addresses looked at for one recipient.
const maxExpansion = 1000

// Outcome says what an address is to us.
type Outcome uint8

// The outcomes.
const (
	NotLocal   Outcome = iota // the domain is not ours
	NoSuchUser                // the domain is ours, the address is not there
	Disabled                  // all accounts behind it are disabled
	Deliver                   // mail goes to the Recipients
)

func (o Outcome) String() string {
	return [...]string{NotLocal: "not local", NoSuchUser: "no such user", Disabled: "disabled", Deliver: "deliver"}[o]
}

// Resolution says who gets the mail for an address. It must not be modified.
type Resolution struct {
	Outcome    Outcome
	Recipients []Recipient // for Deliver: at least one, none twice
}

// Recipient is an account that gets mail.
type Recipient struct {
	ID      AccountID
	Address addr.Address // the account's own
	Tag     string       // of `alice+tag`, as the sender wrote it; "" if there is none
}

// Resolve finds the accounts behind an address: its own, through any number of
// aliases, with or without a tag. Aliases that point to themselves, directly or
// not, do no harm. Kinds of errors: Limit, and those of the engine.
//
// Whether an account may send as some address is the same question: it is among
// the address's recipients.
func (d *Directory) Resolve(ctx context.Context, a addr.Address) (Resolution, error) {
	answer, generation, ok := d.resolved.get(a)
	if ok {
		return answer, nil
	}
	err := d.view(ctx, func(r kv.Reader) (err error) {
		answer, err = resolve(r, a)
		return err
	})
	if err != nil {
		return Resolution{}, err
	}
	if answer.Outcome == Deliver { // anybody can make up any number of the others
		d.resolved.put(a, answer, generation)
	}
	return answer, nil
}

func resolve(r kv.Reader, a addr.Address) (Resolution, error) {
	if a.Domain == "" && strings.EqualFold(a.Local, postmaster) {
		return barePostmaster(r)
	}
	address, err := canonical(a)
	if err != nil {
		return Resolution{Outcome: NotLocal}, nil // what is no address of a mailbox is not ours
	}
	if local, err := isLocal(r, address.Domain); err != nil || !local {
		return Resolution{Outcome: NotLocal}, err
	}
	x := expansion{r: r, seen: map[addr.Address]bool{}}
	_, x.tag = addr.SplitTag(a.Local, TagSeparator) // in the case in which it was written
	if err := x.expand(address, ""); err != nil {
		return Resolution{}, err
	}
	result := x.result()
	if result.Outcome == NoSuchUser && address.Local == postmaster {
		return firstAccount(r)
	}
	return result, nil
}

// expansion collects the accounts behind an address.
type expansion struct {
	r          kv.Reader
	tag        string // of the address asked for
	seen       map[addr.Address]bool
	recipients []Recipient
	disabled   bool // some account was disabled
}

func (x *expansion) result() Resolution {
	switch {
	case len(x.recipients) > 0:
		return Resolution{Deliver, x.recipients}
	case x.disabled:
		return Resolution{Outcome: Disabled}
	}
	return Resolution{Outcome: NoSuchUser}
}

// expand follows one address. tag is what the way to it has collected.
func (x *expansion) expand(address addr.Address, tag string) error {
	if x.seen[address] {
		return nil
	}
	if len(x.seen) == maxExpansion {
		return fault.New(fault.Limit, "directory: more than %d addresses behind one alias", maxExpansion)
	}
	x.seen[address] = true
	name, ownTag, ok, err := lookup(x.r, address)
	if err != nil || !ok {
		return err
	}
	switch {
	case ownTag != "" && len(x.seen) == 1:
		tag = x.tag
	case ownTag != "":
		tag = ownTag
	}
	if name.Account != 0 {
		return x.account(name.Account, tag)
	}
	alias, err := aliasOf(address, name)
	if err != nil {
		return err
	}
	for _, target := range alias.Targets {
		if err := x.expand(target, tag); err != nil {
			return err
		}
	}
	return nil
}

func (x *expansion) account(id AccountID, tag string) error {
	if slices.ContainsFunc(x.recipients, func(r Recipient) bool { return r.ID == id }) {
		return nil
	}
	account, err := readAccount(x.r, id)
	if err != nil {
		return err
	}
	if account.Disabled {
		x.disabled = true
		return nil
	}
	x.recipients = append(x.recipients, Recipient{id, account.Address, tag})
	return nil
}

// lookup finds what a canonical address stands for; an address with a tag that is
// not there itself stands for the one without.
func lookup(r kv.Reader, address addr.Address) (name nameRecord, tag string, ok bool, err error) {
	name, ok, err = get[nameRecord](r, nameKey(address))
	if err != nil || ok {
		return name, "", ok, err
	}
	base, tag := addr.SplitTag(address.Local, TagSeparator)
	if base == address.Local {
		return nameRecord{}, "", false, nil
	}
	name, ok, err = get[nameRecord](r, nameKey(addr.Address{Local: base, Domain: address.Domain}))
	return name, tag, ok, err
}

const postmaster = "postmaster"

// barePostmaster is `RCPT TO:<postmaster>`, which RFC 5321 §4.5.1 wants accepted:
// the first domain that has one.
func barePostmaster(r kv.Reader) (Resolution, error) {
	var domains []string
	err := r.Scan(kv.Prefix([]byte{domainPrefix}), func(key, _ []byte) bool {
		domains = append(domains, string(key[1:]))
		return true
	})
	if err != nil {
		return Resolution{}, err
	}
	for _, domain := range domains {
		x := expansion{r: r, seen: map[addr.Address]bool{}}
		if err := x.expand(addr.Address{Local: postmaster, Domain: domain}, ""); err != nil {
			return Resolution{}, err
		}
		if found := x.result(); found.Outcome == Deliver {
			return found, nil
		}
	}
	return firstAccount(r)
}

// firstAccount is who gets the mail for a postmaster that nobody has set up
// (RFC 5321 §4.5.1 wants one in every domain): the oldest account that is not
// disabled, most likely the operator's own.
func firstAccount(r kv.Reader) (Resolution, error) {
	result := Resolution{Outcome: NoSuchUser}
	err := scanAccounts(r, func(a Account) bool {
		if a.Disabled {
			return true
		}
		result = Resolution{Deliver, []Recipient{{ID: a.ID, Address: a.Address}}}
		return false
	})
	return result, err
}
