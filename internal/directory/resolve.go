package directory

import (
	"context"
	"slices"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/srs"
)

// Outcome says what an address is to us.
type Outcome uint8

// The outcomes.
const (
	NotLocal   Outcome = iota // the domain is not ours
	NoSuchUser                // the domain is ours, the address is not there
	Disabled                  // all accounts behind it are disabled
	Deliver                   // mail goes to the Recipients and is forwarded
	BounceOnly                // a return address of what was forwarded, which takes nothing but bounces
	NoWayBack                 // one that we have not made, or too long ago
	Suspended                 // all accounts behind it are suspended
)

func (o Outcome) String() string {
	return [...]string{
		NotLocal: "not local", NoSuchUser: "no such user", Disabled: "disabled", Deliver: "deliver",
		BounceOnly: "bounce only", NoWayBack: "no way back", Suspended: "suspended",
	}[o]
}

// Resolution says who gets the mail for an address. It must not be modified.
type Resolution struct {
	Outcome    Outcome
	Recipients []Recipient // accounts, none twice
	Forward    []Forward   // addresses elsewhere, none twice; for Deliver, there is one of either
	Senders    Senders     // who may write to it; see MayWrite

	domain string      // of the address itself
	owners []AccountID // the accounts that it stands for
	caught bool        // by the domain's catch-all

	borrowed []Recipient // accounts, of those that were met, that another directory must still have
}

// Recipient is an account that gets mail.
type Recipient struct {
	ID      AccountID
	Address addr.Address // the account's own
	Tag     string       // of `alice+tag`, as the sender wrote it; "" if there is none
}

// Forward is an address elsewhere that gets mail.
type Forward struct {
	Address addr.Address // its domain in canonical form
	// Via is the address of ours that forwards: an alias or an account. Zero for the
	// way back of a bounce, which is relayed as it is.
	Via addr.Address
}

// Owned says whether an account may send as the address: whether it is the
// account's own, or an alias that leads to it. That mail for it is forwarded to somebody
// does not make it his.
func (r *Resolution) Owned(by AccountID) bool { return slices.Contains(r.owners, by) }

// Caught says whether there is no such address, but a catch-all of its domain.
func (r *Resolution) Caught() bool { return r.caught }

// Resolve finds who gets the mail for an address: accounts and addresses elsewhere,
// through any number of aliases and forwards, with or without a tag. Aliases that
// point to themselves, directly or not, do no harm. Kinds of errors: Limit;
// Unavailable if another directory cannot be asked; and those of the engine.
func (d *Directory) Resolve(ctx context.Context, a addr.Address) (Resolution, error) {
	answer, generation, ok := d.resolved.get(a)
	if ok && len(answer.borrowed) == 0 {
		return answer, nil
	}
	if ok {
		return d.heedOthers(ctx, a, answer)
	}
	if local, _, known := d.domains.get(a.Domain); known && !local {
		return Resolution{Outcome: NotLocal}, nil // the most frequent answer of a server that relays
	}
	answer, err := d.resolveWithout(ctx, a, nil)
	if err != nil {
		return Resolution{}, err
	}
	if answer.Outcome == Deliver && !answer.caught { // anybody can make up any number of the others
		d.resolved.put(a, answer, generation)
	}
	return d.heedOthers(ctx, a, answer)
}

// ResolveFrom is Resolve for a message with this reverse-path: a bounce to a return
// address that we have made goes to the sender behind it.
func (d *Directory) ResolveFrom(ctx context.Context, from, to addr.Address) (Resolution, error) {
	r, err := d.Resolve(ctx, to)
	if err != nil || r.Outcome != BounceOnly || !from.IsZero() {
		return r, err
	}
	rewriter, err := d.Rewriter(ctx)
	if err != nil {
		return Resolution{}, err
	}
	sender, err := rewriter.Reverse(to, d.clock())
	if err != nil {
		return Resolution{Outcome: NoWayBack}, nil
	}
	return Resolution{Outcome: Deliver, Forward: []Forward{{Address: sender}}}, nil
}

// resolve finds who gets mail, as if those who are gone were not there.
func resolve(r kv.Reader, a addr.Address, gone map[AccountID]bool) (Resolution, error) {
	if a.Domain == "" && strings.EqualFold(a.Local, postmaster) {
		return barePostmaster(r, gone)
	}
	address, local, err := home(r, a)
	switch {
	case err != nil || !local:
		return Resolution{Outcome: NotLocal}, err
	case srs.Is(a.Local):
		return Resolution{Outcome: BounceOnly}, nil
	}
	x := newExpansion(r, gone)
	_, x.tag = addr.SplitTag(a.Local, TagSeparator) // in the case in which it was written
	result, err := x.all(address)
	switch {
	case err != nil || result.Outcome != NoSuchUser:
		return result, err
	case address.Local == postmaster:
		return firstAccount(r, gone)
	}
	return catchAll(r, address, gone)
}

// catchAll is who gets mail for an address that is not there.
func catchAll(r kv.Reader, address addr.Address, gone map[AccountID]bool) (Resolution, error) {
	domain, _, err := get[domainRecord](r, domainKey(address.Domain))
	if err != nil || domain.CatchAll == "" {
		return Resolution{Outcome: NoSuchUser}, err
	}
	target, err := addr.Parse(domain.CatchAll)
	if err != nil {
		return Resolution{}, fault.New(fault.Corrupt, "directory: the catch-all of %s: %w", address.Domain, err)
	}
	x := newExpansion(r, gone)
	x.found.domain = address.Domain
	_, x.tag = addr.SplitTag(target.Local, TagSeparator)
	if err := x.follow(target, address, ""); err != nil {
		return Resolution{}, err
	}
	result, err := x.finish()
	result.caught = true
	return result, err
}

const postmaster = "postmaster"

// barePostmaster is `RCPT TO:<postmaster>`, which RFC 5321 §4.5.1 wants accepted:
// the first domain that has one.
func barePostmaster(r kv.Reader, gone map[AccountID]bool) (Resolution, error) {
	var domains []string
	err := r.Scan(kv.Prefix([]byte{domainPrefix}), func(key, _ []byte) bool {
		domains = append(domains, string(key[1:]))
		return true
	})
	if err != nil {
		return Resolution{}, err
	}
	for _, domain := range domains {
		found, err := newExpansion(r, gone).all(addr.Address{Local: postmaster, Domain: domain})
		if err != nil || found.Outcome == Deliver {
			return found, err
		}
	}
	return firstAccount(r, gone)
}

// firstAccount is who gets the mail for a postmaster that nobody has set up
// (RFC 5321 §4.5.1 wants one in every domain): the oldest account that is not
// disabled, most likely the operator's own.
func firstAccount(r kv.Reader, gone map[AccountID]bool) (Resolution, error) {
	var first addr.Address
	err := scanAccounts(r, func(a Account) bool {
		out := a.State == StateDisabled || gone[a.ID]
		if !out {
			first = a.Address
		}
		return out
	})
	if err != nil || first.IsZero() {
		return Resolution{Outcome: NoSuchUser}, err
	}
	return newExpansion(r, gone).all(first)
}
