package directory

import (
	"context"
	"slices"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// SetForward says where else an account's mail goes: to these addresses, here or
// elsewhere, and with keep into its own mailbox as well. Without addresses it ends.
// Kinds of errors: Invalid, NotFound.
func (d *Directory) SetForward(ctx context.Context, address addr.Address, keep bool, to ...addr.Address) (Account, error) {
	return d.Set(ctx, address, Settings{Forward: &Forwarding{To: to, Keep: keep}})
}

// targets are the addresses that something of ours points to, as they are kept: each
// once, and those in our domains are there.
func targets(r kv.Reader, from addr.Address, to []addr.Address) ([]addr.Address, error) {
	var all []addr.Address
	for _, target := range to {
		own, local, err := home(r, target)
		switch {
		case err != nil:
			return nil, err
		case target.Local == "" || own.Domain == "":
			return nil, fault.New(fault.Invalid, "%q is not a whole address; want name@domain", target)
		case own == from:
			return nil, fault.New(fault.Invalid, "%s cannot point to itself", from)
		case local:
			if err := mustExist(r, own); err != nil {
				return nil, err
			}
		}
		if !slices.Contains(all, own) {
			all = append(all, own)
		}
	}
	return all, nil
}

// mustExist is the error that a target in one of our domains is not there.
func mustExist(r kv.Reader, target addr.Address) error {
	_, _, ok, err := lookup(r, target)
	if err == nil && !ok {
		return fault.New(fault.NotFound, "target %s does not exist; add it first", target)
	}
	return err
}

// mustNotBeTarget is the error that something points to an address. It looks at all
// there is: deleting is rare, and an alias that points nowhere loses mail.
func mustNotBeTarget(r kv.Reader, address addr.Address) error {
	domains, err := readDomains(r)
	if err != nil {
		return err
	}
	points := func(texts ...string) (bool, error) {
		to, err := parseAll(texts)
		return err == nil && slices.ContainsFunc(to, func(target addr.Address) bool {
			target = domains.home(target)
			base, _ := addr.SplitTag(target.Local, TagSeparator)
			return target == address || address == addr.Address{Local: base, Domain: target.Domain}
		}), err
	}
	for name, domain := range domains {
		if domain.CatchAll == "" {
			continue
		}
		if yes, err := points(domain.CatchAll); err != nil || yes {
			return orInUse(err, "%s gets all other mail for %s; end that first: posthorn domain catch-all %s --none", address, name, name)
		}
	}
	err = scan(r, kv.Prefix([]byte{namePrefix}), func(key []byte, name nameRecord) error {
		if yes, err := points(name.Alias...); err != nil || yes {
			return orInUse(err, "alias %s points to %s; delete the alias first", addressOfKey(key), address)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return scan(r, kv.Prefix([]byte{accountPrefix}), func(_ []byte, account accountRecord) error {
		if !account.Deleted.IsZero() {
			return nil
		}
		if yes, err := points(account.Forward...); err != nil || yes && account.Address != address.String() {
			return orInUse(err, "account %s forwards to %s; end that first: posthorn account forward %s --none", account.Address, address, account.Address)
		}
		return nil
	})
}

// orInUse is err, or without one the error that something is in use.
func orInUse(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return fault.New(fault.InUse, format, args...)
}

// spell writes addresses as they are kept.
func spell(addresses []addr.Address) []string {
	var texts []string
	for _, a := range addresses {
		texts = append(texts, a.String())
	}
	return texts
}

// parseAll reads what spell wrote. Kind of error: Corrupt.
func parseAll(texts []string) ([]addr.Address, error) {
	var all []addr.Address
	for _, text := range texts {
		a, err := addr.Parse(text)
		if err != nil {
			return nil, fault.New(fault.Corrupt, "directory: %w", err)
		}
		all = append(all, a)
	}
	return all, nil
}
