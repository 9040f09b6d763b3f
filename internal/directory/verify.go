package directory

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"

	"posthorn/internal/addr"
	"posthorn/internal/credential"
	"posthorn/internal/dkim"
	"posthorn/internal/kv"
)

// Verify proves the directory's invariants on one snapshot and calls report with a
// sentence for each that does not hold:
//
//   - every record can be read;
//   - an address that names an account names one that is there, and whose own
//     address it is; every account is named, unless it was deleted;
//   - no account's number is higher than the last one given;
//   - every address is in a domain that is ours and no alias of another;
//   - a domain that is an alias is one of a domain that is none;
//   - a domain's admins are accounts that are there;
//   - aliases, forwards and catch-alls point to addresses that are elsewhere or there;
//   - no account's mail expires sooner than the directory says of all;
//   - secrets are those of an account that is there, and can be used;
//   - those accounts have the mark of having no SCRAM keys that have none;
//   - every sign-out says whose sessions it ends;
//   - every key is a domain's that is ours, at most one of each algorithm signs, and
//     those that sign or will are whole.
func (d *Directory) Verify(ctx context.Context, report func(problem string)) error {
	return d.view(ctx, func(r kv.Reader) error {
		v := verification{
			report:   func(format string, args ...any) { report(fmt.Sprintf(format, args...)) },
			domains:  domains{},
			names:    map[addr.Address]nameRecord{},
			accounts: map[AccountID]accountRecord{},
			signing:  map[string]string{},
			lacking:  map[AccountID]bool{},
			marked:   map[AccountID]bool{},
		}
		if err := v.read(r); err != nil {
			return err
		}
		v.checkDomains()
		v.checkAdmins()
		v.checkNames()
		v.checkAccounts()
		v.checkMarks()
		v.checkKeys()
		return nil
	})
}

type verification struct {
	report   func(format string, args ...any)
	domains  domains
	names    map[addr.Address]nameRecord
	accounts map[AccountID]accountRecord
	last     AccountID
	expiry   int               // days
	signing  map[string]string // selectors of active keys, by domain and algorithm
	keys     []Key
	secret   []AccountID // that have secrets
	pepper   pepperRecord
	looked   keylessRecord      // who should have a mark
	lacking  map[AccountID]bool // SCRAM keys, those who have secrets
	marked   map[AccountID]bool
}

// read takes the whole shard in; damaged records are reported and left out.
func (v *verification) read(r kv.Reader) (err error) {
	if v.pepper, v.looked, err = readMarks(r); err != nil {
		v.report("%v", err)
	}
	return r.Scan(kv.Range{}, func(key, value []byte) bool {
		if err := v.record(key, value); err != nil {
			v.report("%v", err)
		}
		return true
	})
}

func (v *verification) record(key, value []byte) error {
	switch {
	case key[0] == domainPrefix:
		domain, err := decode[domainRecord](key, value)
		v.domains[string(key[1:])] = domain
		return err
	case key[0] == namePrefix:
		name, err := decode[nameRecord](key, value)
		v.names[addressOfKey(key)] = name
		return err
	case key[0] == accountPrefix && len(key) == 9:
		rec, err := decode[accountRecord](key, value)
		v.accounts[AccountID(binary.BigEndian.Uint64(key[1:]))] = rec
		if err == nil {
			_, err = credential.ParseHash(rec.Credential)
			err = cmp.Or(err, rec.State.check(), checkMechanisms(rec.Off), checkRetention(rec.Retention))
		}
		if err != nil {
			return fmt.Errorf("account %s: %w", rec.Address, err)
		}
		return nil
	case key[0] == keyPrefix:
		return v.key(key, value)
	case key[0] == secretsPrefix && len(key) == 9:
		return v.secrets(key, value)
	case key[0] == keylessPrefix && len(key) == 9:
		v.marked[AccountID(binary.BigEndian.Uint64(key[1:]))] = true
		return nil
	case key[0] == revocationPrefix && len(key) == 9:
		r, err := decode[Revocation](key, value)
		return cmp.Or(err, checkRevocation(r))
	case len(key) == 1 && (key[0] == pepperKey || key[0] == keylessPrefix):
		return nil // see read
	case len(key) == 1 && key[0] == sequenceKey:
		sequence, err := decode[sequenceRecord](key, value)
		v.last = sequence.Last
		return err
	case len(key) == 1 && key[0] == expiryKey:
		expiry, err := decode[expiryRecord](key, value)
		v.expiry = expiry.Days
		return err
	case len(key) == 1 && key[0] == rewriteKey:
		_, err := decode[rewriteRecord](key, value)
		return err
	}
	return fmt.Errorf("directory: record %q is of no known sort", key)
}

func (v *verification) checkNames() {
	for address, name := range v.names {
		switch domain, ok := v.domains[address.Domain]; {
		case !ok:
			v.report("%s is in a domain that is not served here", address)
		case domain.AliasOf != "":
			v.report("%s is in a domain that is an alias of %s", address, domain.AliasOf)
		}
		if name.Account != 0 {
			if own, ok := v.accounts[name.Account]; !ok {
				v.report("%s names account %d, which has no record", address, name.Account)
			} else if own.Address != address.String() {
				v.report("%s names account %d, whose address is %s", address, name.Account, own.Address)
			}
		}
		for _, target := range name.Alias {
			if !v.exists(target) {
				v.report("alias %s points to %s, which does not exist", address, target)
			}
		}
	}
}

func (v *verification) checkDomains() {
	for name, domain := range v.domains {
		if of, ok := v.domains[domain.AliasOf]; domain.AliasOf != "" && (!ok || of.AliasOf != "") {
			v.report("domain %s is an alias of %s, which has no addresses of its own", name, domain.AliasOf)
		}
		if domain.CatchAll != "" && !v.exists(domain.CatchAll) {
			v.report("the catch-all of %s is %s, which does not exist", name, domain.CatchAll)
		}
	}
}

// exists says that an address is there, as far as we can tell.
func (v *verification) exists(target string) bool {
	address, err := addr.Parse(target)
	if err != nil {
		return false
	}
	address = v.domains.home(address)
	if _, local := v.domains[address.Domain]; !local {
		return true
	}
	if _, ok := v.names[address]; ok {
		return true
	}
	base, _ := addr.SplitTag(address.Local, TagSeparator)
	_, ok := v.names[addr.Address{Local: base, Domain: address.Domain}]
	return ok
}

func (v *verification) checkAccounts() {
	named := map[AccountID]bool{}
	for _, name := range v.names {
		named[name.Account] = true
	}
	for _, id := range v.secret {
		if _, ok := v.accounts[id]; !ok {
			v.report("there are secrets of account %d, which has no record", id)
		}
	}
	for id, account := range v.accounts {
		switch gone := !account.Deleted.IsZero(); {
		case gone && named[id]:
			v.report("account %d (%s) is deleted, but named by an address", id, account.Address)
		case !gone && !named[id]:
			v.report("account %d (%s) is named by no address", id, account.Address)
		}
		if id > v.last {
			v.report("account %d (%s) has a number that was never given; the last was %d", id, account.Address, v.last)
		}
		if p := account.POP3; p != nil && p.Expire > 0 && (v.expiry == 0 || p.Expire < v.expiry) {
			v.report("mail of account %s expires after %d days, sooner than that of any", account.Address, p.Expire)
		}
		for _, target := range account.Forward {
			if account.Deleted.IsZero() && !v.exists(target) {
				v.report("account %s forwards to %s, which does not exist", account.Address, target)
			}
		}
	}
}

// checkMarks leaves out those who are still to be looked at.
func (v *verification) checkMarks() {
	if v.looked.Key != v.pepper.Key {
		return
	}
	for id, account := range v.accounts {
		lacking, known := v.lacking[id]
		if !known {
			lacking = account.keyless(&secretsRecord{}, &v.pepper)
		}
		switch marked := v.marked[id]; {
		case marked && !lacking:
			v.report("account %d (%s) has the mark of one without SCRAM keys, and has them or needs none", id, account.Address)
		case lacking && !marked && (v.looked.Whole || id < v.looked.Next):
			v.report("account %d (%s) has no SCRAM keys, and no mark of that", id, account.Address)
		}
		delete(v.marked, id)
	}
	for id := range v.marked {
		v.report("account %d has the mark of one without SCRAM keys, and has no record", id)
	}
}

// leastIterations is what RFC 7677 §4 wants of SCRAM keys.
const leastIterations = 4096

func (v *verification) secrets(key, value []byte) error {
	rec, err := decode[secretsRecord](key, value)
	if err != nil {
		return err
	}
	id := AccountID(binary.BigEndian.Uint64(key[1:]))
	v.secret = append(v.secret, id)
	account := v.accounts[id] // accounts come first
	v.lacking[id] = account.keyless(&rec, &v.pepper)
	if len(rec.Salt) == 0 || rec.Iterations < leastIterations {
		return fmt.Errorf("account %d: its SCRAM keys have a salt of %d bytes and %d iterations; want at least 1 and %d", id, len(rec.Salt), rec.Iterations, leastIterations)
	}
	names := map[string]bool{}
	for _, app := range rec.Apps {
		if names[app.Name] || names[app.ID] || len(app.Hash) == 0 {
			v.report("account %d: app password %q is there twice, or without a hash", id, app.Name)
		}
		names[app.Name], names[app.ID] = true, true
	}
	return nil
}

func (v *verification) key(key, value []byte) error {
	rec, err := decode[keyRecord](key, value)
	if err != nil {
		return err
	}
	at := addressOfKey(key) // the keys are alike
	k := keyOf(at.Domain, at.Local, &rec)
	v.keys = append(v.keys, k)
	if k.State == KeyRetired {
		return nil
	}
	if _, err := dkim.ParsePrivate(rec.Private); err != nil {
		return fmt.Errorf("key %s of %s: %w", k.Selector, k.Domain, err)
	}
	return nil
}

func (v *verification) checkKeys() {
	for _, k := range v.keys {
		if _, ok := v.domains[k.Domain]; !ok {
			v.report("key %s is of %s, which is not served here", k.Selector, k.Domain)
		}
		if k.State != KeyActive {
			continue
		}
		one := k.Domain + " " + string(k.Algorithm)
		if other, twice := v.signing[one]; twice {
			v.report("%s has two active %s keys, %s and %s", k.Domain, k.Algorithm, other, k.Selector)
		}
		v.signing[one] = k.Selector
	}
}
