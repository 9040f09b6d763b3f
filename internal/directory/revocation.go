package directory

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Whoever is logged in stays so until somebody ends it: the directory is asked at the
// door only. So what takes the right to be logged in away leaves a Revocation, in the
// Update that does it, and every node follows them and ends the sessions that it has.

// keepRevocations is how long they are kept: who follows reads them at once.
const keepRevocations = 24 * time.Hour

// longestSession is how long the name of a session may be.
const longestSession = 32

// trimmed is how many old ones go when one is written.
const trimmed = 16

// Revocation ends sessions of a user: those to which all applies that it says.
type Revocation struct {
	Number     uint64       `json:"-"` // they ascend
	At         time.Time    `json:"at"`
	User       string       `json:"user,omitempty"` // the address that they were begun under
	Why        string       `json:"why"`
	Session    string       `json:"session,omitempty"`    // the one that is called so
	Protocol   string       `json:"protocol,omitempty"`   // of Scopes
	Credential CredentialID `json:"credential,omitempty"` // begun with this app password
	Own        bool         `json:"own,omitempty"`        // not begun with an app password
	Mechanisms []string     `json:"mechanisms,omitempty"` // begun with one of these
}

// SignOut ends all sessions of an account, on all nodes; its programs may log in again.
// Kind of error: NotFound.
func (d *Directory) SignOut(ctx context.Context, address addr.Address) error {
	address, err := canonical(address)
	if err != nil {
		return err
	}
	return d.update(ctx, func(w kv.Writer) error {
		account, err := findAccount(w, address)
		if err != nil {
			return err
		}
		return d.revoke(w, Revocation{User: account.Address.String(), Why: "the account was signed out"})
	})
}

// EndSession ends one session, whichever node has it. Kind of error: Invalid.
func (d *Directory) EndSession(ctx context.Context, name string) error {
	if name == "" || len(name) > longestSession {
		return fault.New(fault.Invalid, "%.100q is no session; posthorn session list tells which there are", name)
	}
	return d.update(ctx, func(w kv.Writer) error {
		return d.revoke(w, Revocation{Session: name, Why: "the session was ended by an operator"})
	})
}

// revoke writes revocations. Old ones go only when there are newer ones, so that numbers are
// not given twice.
func (d *Directory) revoke(w kv.Writer, all ...Revocation) error {
	if len(all) == 0 {
		return nil
	}
	now := d.clock().UTC()
	last, err := lastRevocation(w)
	if err != nil {
		return err
	}
	if err := trimRevocations(w, now.Add(-keepRevocations)); err != nil {
		return err
	}
	for i, r := range all {
		r.At = now
		if err := put(w, revocationKey(last+1+uint64(i)), r); err != nil {
			return err
		}
	}
	return nil
}

func trimRevocations(w kv.Writer, cutoff time.Time) error {
	oldest := kv.Prefix([]byte{revocationPrefix})
	oldest.Limit = trimmed
	var old [][]byte
	err := w.Scan(oldest, func(key, value []byte) bool {
		r, err := decode[Revocation](key, value)
		if err == nil && r.At.Before(cutoff) || fault.Is(err, fault.Corrupt) {
			old = append(old, slices.Clone(key))
		}
		return true
	})
	for i := 0; err == nil && i < len(old); i++ {
		err = w.Delete(old[i])
	}
	return err
}

func lastRevocation(r kv.Reader) (last uint64, err error) {
	newest := kv.Prefix([]byte{revocationPrefix})
	newest.Reverse, newest.Limit = true, 1
	err = r.Scan(newest, func(key, _ []byte) bool {
		last = numberOfRevocation(key)
		return false
	})
	return last, err
}

func revocationKey(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{revocationPrefix}, number)
}

func numberOfRevocation(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }

// lost says which sessions an account cannot have begun any more after a change of it.
func lost(before, after *Account) []Revocation {
	user := before.Address.String()
	switch {
	case !before.Deleted.IsZero():
		return nil
	case !after.Deleted.IsZero():
		return []Revocation{{User: user, Why: "the account was deleted"}}
	case after.Address != before.Address:
		return []Revocation{{User: user, Why: "the account was renamed to " + after.Address.String()}}
	}
	all := closed(before, after)
	if after.credential != before.credential && !after.rehashed {
		all = append(all, Revocation{User: user, Why: "the password was changed", Own: true})
	}
	off := slices.DeleteFunc(slices.Clone(after.Off), func(name string) bool { return slices.Contains(before.Off, name) })
	if len(off) > 0 {
		all = append(all, Revocation{User: user, Why: "the way in which it was begun was switched off", Mechanisms: off})
	}
	return all
}

// closed is the part of lost that the account's state brings.
func closed(before, after *Account) (all []Revocation) {
	r := Revocation{User: before.Address.String(), Why: "the account is " + after.State.String()}
	if !after.Locked.IsZero() {
		r.Why = "the account needs a new password"
	}
	for _, protocol := range Scopes() {
		use := Use{Protocol: protocol}
		if before.Refuse(use) == nil && after.Refuse(use) != nil {
			r.Protocol = protocol
			all = append(all, r)
		}
	}
	if len(all) == len(Scopes()) {
		r.Protocol = ""
		all = []Revocation{r}
	}
	return all
}

// lostSecrets is lost for what an account proves itself with.
func lostSecrets(user string, before, after *secretsRecord) (all []Revocation) {
	for _, app := range before.Apps {
		if !slices.ContainsFunc(after.Apps, func(left appRecord) bool { return left.ID == app.ID }) {
			all = append(all, Revocation{User: user, Why: "the app password was removed", Credential: CredentialID(app.ID)})
		}
	}
	if after.TOTP.active() && !before.TOTP.active() {
		all = append(all, Revocation{User: user, Why: "one-time codes guard the account now", Own: true})
	}
	return all
}

// LastRevocation is the number of the newest; 0 if there is none.
func (d *Directory) LastRevocation(ctx context.Context) (last uint64, err error) {
	err = d.view(ctx, func(r kv.Reader) (err error) {
		last, err = lastRevocation(r)
		return err
	})
	return last, err
}

// followEvery is how often revocations are looked for at least, as one look may fail.
const followEvery = time.Minute

// Follow calls fn with every revocation after one, in their order, whichever node has
// written them, until ctx ends. What fn is called with, the directory heeds from then on.
func (d *Directory) Follow(ctx context.Context, after uint64, fn func(Revocation)) {
	changed := make(chan struct{}, 1)
	defer d.engine.Watch(shard, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})()
	again := time.NewTicker(followEvery)
	defer again.Stop()
	for {
		fresh, last, err := d.revocationsAfter(ctx, after)
		switch {
		case err == nil:
			after = last
		case ctx.Err() == nil:
			d.log.ErrorContext(ctx, "who was signed out cannot be read; for now the sessions go on", "error", err)
		}
		if len(fresh) > 0 {
			d.forget() // it may be that we read the last of them before its notice came
		}
		for _, r := range fresh {
			fn(r)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again.C:
		}
	}
}

// revocationsAfter reads them, and tells the number of the last. One that is damaged ends
// nothing.
func (d *Directory) revocationsAfter(ctx context.Context, number uint64) (all []Revocation, last uint64, err error) {
	within := kv.Range{From: revocationKey(number + 1), To: kv.PrefixEnd([]byte{revocationPrefix})}
	err = d.view(ctx, func(r kv.Reader) error {
		all, last = nil, number
		return r.Scan(within, func(key, value []byte) bool {
			last = numberOfRevocation(key)
			one, err := decode[Revocation](key, value)
			if err = cmp.Or(err, checkRevocation(one)); err != nil {
				d.log.ErrorContext(ctx, "a sign-out cannot be read; its sessions go on", "error", err)
				return true
			}
			one.Number = last
			all = append(all, one)
			return true
		})
	})
	return all, last, err
}

func checkRevocation(r Revocation) error {
	if r.At.IsZero() || (r.User == "") == (r.Session == "") {
		return fault.New(fault.Corrupt, "directory: a sign-out of %q does not say whom it ends", r.User+r.Session)
	}
	return nil
}
