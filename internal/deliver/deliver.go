// Package deliver brings a message to everybody whom it is for.
//
// It owns two questions: who gets a message, once its recipients have been resolved
// (Router.Plan: accounts, parts for the queue, what the sender is told at once), and where
// in an account it goes (Deliver). It resolves no address, asks no policy and makes no
// commit: whoever accepts or queues messages does, and carries the plan out within their
// one Update, so that all recipients have the message or none.
//
// Flow: the accounts behind all recipients, each once, and the addresses elsewhere,
// each once, make the plan. What is forwarded becomes one part of the message for each
// address of ours that forwards it, with a Delivered-To line by which it is recognised when it
// comes back, and a return address of ours if the sender is a stranger. Then, for each
// account, the actions that are to be taken on the message are determined, without side
// effects, and carried out in the MultiTx. The only action so far is to keep the message
// in INBOX, with or without a tag in the address; filter scripts, which are functions from
// (script, message) to actions, come in at that place.
//
// Invariants: everybody gets one copy, however many of his addresses were named; the
// body of what is forwarded stays as it is; a message is forwarded by an address once;
// nothing survives a call that failed, because its caller then rolls back; calling
// it again from the start does the same again.
package deliver

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// Failures says which accounts cannot have the message, and why; the fault is the
// account's own, and without it the others could have the message. Nothing may be
// committed: the Update fails with it.
type Failures map[store.AccountID]error

func (f Failures) Error() string {
	for _, id := range slices.Sorted(maps.Keys(f)) {
		return fmt.Sprintf("deliver: %d accounts cannot have the message, the first: %v", len(f), f[id])
	}
	return "deliver: no account failed"
}

// Unwrap gives the failures as the causes, that of the first account first.
func (f Failures) Unwrap() []error {
	var causes []error
	for _, id := range slices.Sorted(maps.Keys(f)) {
		causes = append(causes, f[id])
	}
	return causes
}

// Deliver puts a message into these accounts, all of which the MultiTx must have.
// It returns Failures if some of them cannot have it.
func Deliver(tx *store.MultiTx, m *store.Message, accounts []store.AccountID) error {
	var failed Failures
	for i, id := range accounts {
		if slices.Contains(accounts[:i], id) {
			continue
		}
		err := keep(tx.Account(id), m)
		switch {
		case err == nil:
		case !accountsOwn(err):
			return err
		default:
			if failed == nil {
				failed = Failures{}
			}
			failed[id] = err
		}
	}
	if failed != nil {
		return failed
	}
	return nil
}

// keep is the action of keeping a message in INBOX.
func keep(tx *store.Tx, m *store.Message) error {
	_, err := tx.Append(store.InboxID, m, store.AppendOptions{})
	return err
}

// accountsOwn says that an error concerns the one account, not the whole Update.
func accountsOwn(err error) bool {
	switch fault.KindOf(err) {
	case fault.OverQuota, fault.NotFound, fault.Limit, fault.Corrupt:
		return true
	}
	return false
}

// ByAccount finds the Failures in the error of an Update.
func ByAccount(err error) (Failures, bool) {
	var failed Failures
	ok := errors.As(err, &failed)
	return failed, ok
}
