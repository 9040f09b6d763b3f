package directory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"posthorn/internal/addr"
	"posthorn/internal/credential"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/srs"
)

// importBatch is how many accounts are made in one commit.
const importBatch = 500

// NewAccount is an account to be made by Import.
type NewAccount struct {
	Address  addr.Address
	Password string   // as for AddAccount
	Source   string   // another directory that knows it, which keeps its password; "": none
	Settings Settings // all but Forward, whose targets may be still to come
	Line     int      // of the file it comes from, for messages; 0 if there is none
}

// Imported says what an Import did.
type Imported struct {
	Added   int
	Present int // were there already, and stay as they are
}

// Import makes many accounts. First every one of them is looked at: if anything is
// wrong with any (an Invalid error tells all of it), none is made. Accounts that
// are there already are left alone, so that an import that was broken off can be
// run again. Each batch is one commit; its plain passwords are hashed in parallel.
func (d *Directory) Import(ctx context.Context, accounts []NewAccount) (Imported, error) {
	accounts, err := d.checkImport(ctx, accounts)
	if err != nil {
		return Imported{}, err
	}
	var total Imported
	for batch := range slices.Chunk(accounts, importBatch) {
		done, err := d.importBatch(ctx, batch)
		if err != nil {
			return total, fmt.Errorf("after %d accounts: %w", total.Added, err)
		}
		total.Added += done.Added
		total.Present += done.Present
	}
	return total, nil
}

// checkImport returns the accounts with canonical addresses, in their keys' order.
func (d *Directory) checkImport(ctx context.Context, accounts []NewAccount) ([]NewAccount, error) {
	domains, err := d.Domains(ctx)
	if err != nil {
		return nil, err
	}
	local := make(map[string]bool, len(domains))
	for _, domain := range domains {
		local[domain.Name] = domain.AliasOf == ""
	}
	checked := slices.Clone(accounts)
	firstLine := make(map[addr.Address]int, len(accounts))
	var wrong problems
	for i := range checked {
		if err := checked[i].check(local, firstLine); err != nil {
			wrong.add(checked[i].Line, err)
		}
	}
	slices.SortFunc(checked, func(a, b NewAccount) int { return bytes.Compare(nameKey(a.Address), nameKey(b.Address)) })
	return checked, wrong.err()
}

func (n *NewAccount) check(local map[string]bool, firstLine map[addr.Address]int) error {
	address, err := canonical(n.Address)
	if err != nil {
		return err
	}
	n.Address = address
	if srs.Is(address.Local) {
		return notToBeHad(address)
	}
	if _, _, err := credential.Parse(n.Password); err != nil && n.Source == "" {
		return fmt.Errorf("%s: %w", address, err)
	}
	if err := n.Settings.Check(); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	if !local[address.Domain] {
		return fmt.Errorf("%s: domain %s is not served here; add it first", address, address.Domain)
	}
	if line, twice := firstLine[address]; twice {
		return fmt.Errorf("%s stands in line %d already", address, line)
	}
	firstLine[address] = n.Line
	return nil
}

// importBatch makes accounts that are in their keys' order.
func (d *Directory) importBatch(ctx context.Context, batch []NewAccount) (Imported, error) {
	var taken map[addr.Address]nameRecord
	err := d.view(ctx, func(r kv.Reader) (err error) {
		taken, err = namesBetween(r, batch)
		return err
	})
	if err != nil {
		return Imported{}, err
	}
	passwords, err := d.hashBatch(ctx, batch, taken)
	if err != nil {
		return Imported{}, err
	}
	var done Imported
	err = d.update(ctx, func(w kv.Writer) (err error) {
		done, err = d.putBatch(w, batch, passwords)
		return err
	})
	return done, err
}

// namesBetween is one scan for all that may be in a batch's way.
func namesBetween(r kv.Reader, batch []NewAccount) (map[addr.Address]nameRecord, error) {
	taken := make(map[addr.Address]nameRecord)
	within := kv.Range{From: nameKey(batch[0].Address), To: append(nameKey(batch[len(batch)-1].Address), 0)}
	err := scan(r, within, func(key []byte, name nameRecord) error {
		taken[addressOfKey(key)] = name
		return nil
	})
	return taken, err
}

// hashBatch makes the hashes of those that are not there yet, in parallel.
func (d *Directory) hashBatch(ctx context.Context, batch []NewAccount, taken map[addr.Address]nameRecord) ([]newPassword, error) {
	passwords := make([]newPassword, len(batch))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cap(d.slots))
	for i, n := range batch {
		if _, there := taken[n.Address]; there {
			continue
		}
		if n.Source != "" {
			passwords[i] = newPassword{hash: d.hash.Nobody()}
			continue
		}
		group.Go(func() (err error) {
			passwords[i], err = d.newPassword(ctx, n.Address, nil, n.Password)
			return err
		})
	}
	return passwords, group.Wait()
}

func (d *Directory) putBatch(w kv.Writer, batch []NewAccount, passwords []newPassword) (Imported, error) {
	var done Imported
	taken, err := namesBetween(w, batch)
	if err != nil {
		return done, err
	}
	sequence, _, err := get[sequenceRecord](w, []byte{sequenceKey})
	if err != nil {
		return done, err
	}
	now, expires := d.clock().UTC(), false
	for i, n := range batch {
		name, there := taken[n.Address]
		switch {
		case there && name.Account == 0:
			return done, fault.New(fault.Exists, "%s is an alias already", n.Address)
		case there, passwords[i].hash == "": // the latter was there a moment ago
			done.Present++
			continue
		}
		if err := mustHaveRoom(w, n.Address.Domain); err != nil {
			return done, err
		}
		sequence.Last++
		done.Added++
		account := Account{ID: sequence.Last, Address: n.Address, Created: now, Source: n.Source, credential: passwords[i].hash}
		if err := n.Settings.put(w, &account, now); err != nil {
			return done, err
		}
		if err := putNewAccount(w, account, passwords[i]); err != nil {
			return done, err
		}
		expires = expires || account.POP3.Expire > 0
	}
	if err := put(w, []byte{sequenceKey}, sequence); err != nil || !expires {
		return done, err
	}
	return done, noteExpiry(w)
}

// problems are what is wrong in a file, by line.
type problems struct{ lines []string }

// maxProblems is how many are told; the rest is counted.
const maxProblems = 20

func (p *problems) add(line int, err error) {
	text := err.Error()
	if line > 0 {
		text = fmt.Sprintf("line %d: %s", line, text)
	}
	p.lines = append(p.lines, text)
}

// err is nil if there are none, else of kind Invalid.
func (p *problems) err() error {
	if len(p.lines) == 0 {
		return nil
	}
	shown := p.lines[:min(len(p.lines), maxProblems)]
	text := strings.Join(shown, "\n")
	if more := len(p.lines) - len(shown); more > 0 {
		text += fmt.Sprintf("\nand %d more", more)
	}
	return fault.New(fault.Invalid, "%s", text)
}
