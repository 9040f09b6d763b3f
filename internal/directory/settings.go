package directory

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Settings are what can be set of an account; what is nil stays as it is. They are
// written together, in one commit.
type Settings struct {
	State     *State
	Reason    *string  // of the state; another State comes without the reason of the one before
	Language  *string  // see SetLanguage
	Off       []string // mechanisms; empty: none
	Retention map[string]int
	POP3      *POP3
	Forward   *Forwarding

	ofAdmin bool // an admin of the domain sets the state, not the operator
}

// Forwarding says where else an account's mail goes.
type Forwarding struct {
	To   []addr.Address // none: nowhere
	Keep bool           // and into its own mailbox as well
}

// Set changes settings of an account. Kinds of errors: Invalid, NotFound; Unavailable if another
// directory cannot be asked about an address that is forwarded to.
func (d *Directory) Set(ctx context.Context, address addr.Address, s Settings) (Account, error) {
	if err := s.Check(); err != nil {
		return Account{}, err
	}
	address, err := canonical(address)
	if err != nil {
		return Account{}, err
	}
	if s.Forward != nil {
		if err := d.meet(ctx, s.Forward.To...); err != nil {
			return Account{}, err
		}
	}
	var account Account
	err = d.update(ctx, func(w kv.Writer) (err error) {
		if account, err = findAccount(w, address); err != nil {
			return err
		}
		if err := s.put(w, &account, d.clock().UTC()); err != nil {
			return err
		}
		if err := d.putAccount(w, account); err != nil || s.POP3 == nil {
			return err
		}
		return noteExpiry(w)
	})
	return account, err
}

// put changes an account, which is yet to be written.
func (s *Settings) put(r kv.Reader, a *Account, now time.Time) (err error) {
	if s.State != nil {
		if s.ofAdmin && a.State != StateActive && !a.OfAdmin {
			return fault.New(fault.Denied, "the operator has made %s %s; only he can change that", a.Address, a.State)
		}
		if a.State != *s.State {
			a.Since, a.Reason = now, ""
		}
		a.State, a.OfAdmin = *s.State, s.ofAdmin && *s.State != StateActive
		if a.State == StateActive {
			a.Locked = time.Time{}
		}
	}
	if s.Reason != nil {
		a.Reason = *s.Reason
	}
	if s.Language != nil {
		a.Language = *s.Language
	}
	if s.Off != nil {
		a.Off = mechanisms(s.Off)
	}
	if s.Retention != nil {
		a.Retention = maps.Clone(s.Retention)
	}
	if s.POP3 != nil {
		a.POP3 = *s.POP3
	}
	if s.Forward != nil {
		a.NoCopy = !s.Forward.Keep && len(s.Forward.To) > 0
		a.Forward, err = targets(r, a.Address, s.Forward.To)
	}
	return err
}

// mechanisms are some of them as they are kept.
func mechanisms(names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = strings.ToUpper(name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Check says what is wrong, as far as it can be seen by itself. Kind of error: Invalid.
func (s *Settings) Check() error {
	var errs [6]error
	if s.State != nil {
		errs[0] = s.State.check()
	}
	if s.Reason != nil && len(*s.Reason) > longestReason {
		errs[1] = fault.New(fault.Invalid, "the reason has %d bytes; at most %d", len(*s.Reason), longestReason)
	}
	if s.Language != nil {
		errs[2] = checkLanguage(*s.Language)
	}
	errs[3] = checkMechanisms(mechanisms(s.Off))
	errs[4] = checkRetention(s.Retention)
	if s.POP3 != nil {
		errs[5] = s.POP3.check()
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
