package certs

import (
	"context"
	"slices"
	"time"

	"posthorn/internal/fault"
)

// State is what is to be known of a certificate that is shown, or that should be.
type State struct {
	Names   []string
	Source  Source
	File    string    // of FromFile
	From    time.Time // zero: there is no certificate yet
	Until   time.Time
	Problem string // "": nothing

	// Of Issued: when it is renewed, and what went wrong since the last success.
	Renewal  time.Time
	Why      string // URL where the authority explains Renewal; "": it does not
	Attempts int
	Error    string
	Next     time.Time // the next attempt
}

// States are those of all certificates, the default one first.
func (k *Keeper) States(ctx context.Context) ([]State, error) {
	a := k.settings()
	orders := map[string]order{}
	for _, name := range a.Names {
		r, err := k.vault.order(ctx, name)
		if err != nil {
			return nil, err
		}
		orders[name] = r
	}
	problems := map[*byte]string{}
	for _, t := range k.set.Troubles() {
		problems[&t.Certificate.Certificate.Certificate[0][0]] = t.Err.Error()
	}
	var all []State
	for _, c := range k.set.All() {
		s := State{
			Names: c.Names(), Source: c.Source, File: c.File, From: c.Leaf.NotBefore, Until: c.Leaf.NotAfter,
			Problem: problems[&c.Certificate.Certificate[0][0]],
		}
		if c.Source == Issued {
			s.of(orders[c.Leaf.DNSNames[0]])
			delete(orders, c.Leaf.DNSNames[0])
		}
		all = append(all, s)
	}
	for _, name := range a.Names {
		if r, missing := orders[name]; missing {
			s := State{Names: []string{name}, Source: Issued, Problem: "the authority has issued none yet"}
			s.of(r)
			all = append(all, s)
		}
	}
	return all, nil
}

func (s *State) of(r order) {
	s.Renewal, s.Why, s.Attempts, s.Error, s.Next = r.RenewAt, r.Advice.Explanation, r.Attempts, r.Error, r.Next
}

// Renew makes the certificate for a name due now, whatever went wrong before; without a
// name, all of them. Kind of error: NotFound if an authority has nothing to do with it.
func (k *Keeper) Renew(ctx context.Context, name string) (names []string, err error) {
	a := k.settings()
	if len(a.Names) == 0 {
		return nil, fault.New(fault.NotFound, "no authority issues certificates for this server; [acme] enabled = true in the configuration asks one")
	}
	if names = a.Names; name != "" {
		names = []string{name}
	}
	if !slices.Contains(a.Names, names[0]) {
		return nil, fault.New(fault.NotFound, "no authority issues a certificate for %q; [acme] of the configuration says for which names", name)
	}
	for _, name := range names {
		if err := k.vault.hurry(ctx, name); err != nil {
			return nil, err
		}
	}
	return names, nil
}
