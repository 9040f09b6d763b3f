package imapd

import (
	"context"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// store is STORE (RFC 3501 §6.4.6). What others have changed is told after it, not
// before: a FETCH response during a STORE shows what the message is like then.
func (s *session) store(ctx context.Context, c *command) error {
	var set imapwire.NumSet
	var o imapwire.StoreOptions
	if !s.dec.SP() || !s.dec.NumSet(&set) || !s.dec.SP() || !s.dec.Store(&o) || !s.dec.End() {
		return s.syntax()
	}
	if o.Conditional {
		return bad("UNCHANGEDSINCE is not offered")
	}
	if s.box.readOnly {
		return errReadOnly
	}
	sel, err := s.box.view.selection(set, c.uid)
	if err != nil {
		return err
	}
	if !sel.empty() {
		change := store.FlagChange{Op: storeOps[o.Op], Flags: o.Flags}
		after, err := s.changeFlags(ctx, sel.uids, change)
		if err != nil {
			return err
		}
		own := &ownChange{sel.uids, o.Silent, effect(change, after)}
		if s.readErr = s.tell(after, telling{uid: c.uid, own: own}); s.readErr != nil {
			return s.readErr
		}
		if sel, err = s.box.view.selection(set, c.uid); err != nil { // some may be gone
			return err
		}
	}
	if sel.gone {
		return errExpunged
	}
	return nil
}

var storeOps = [...]store.FlagOp{
	imapwire.StoreSet: store.SetFlags, imapwire.StoreAdd: store.AddFlags, imapwire.StoreRemove: store.RemoveFlags,
}

// errExpunged says that a command could not be done for all of its messages, as some
// are gone (RFC 5530 §3).
var errExpunged = no("EXPUNGEISSUED", "Some of these messages are gone")

// selection looks up the messages of a set, among what is there now.
func (s *session) selection(ctx context.Context, c *command, set imapwire.NumSet) (selection, error) {
	// Numbers are those the client knew when it sent the command: nothing is expunged.
	if err := s.catchUp(ctx, telling{uid: c.uid}); err != nil {
		s.readErr = err
		return selection{}, err
	}
	return s.box.view.selection(set, c.uid)
}

// changeFlags changes flags of messages in one commit and gives the mailbox as it is
// then.
func (s *session) changeFlags(ctx context.Context, uids []store.UIDRange, change store.FlagChange) (after *store.Snapshot, err error) {
	err = s.account.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Store(s.box.id, uids, change)
		if err == nil {
			after, err = tx.Snapshot(s.box.id)
		}
		return err
	})
	return after, err
}

// effect is what a change makes of a message's flags.
func effect(change store.FlagChange, snap *store.Snapshot) func(store.Flags) store.Flags {
	var flags store.Flags
	for _, name := range change.Flags {
		flags |= snap.FlagNamed(name)
	}
	return func(before store.Flags) store.Flags {
		switch change.Op {
		case store.AddFlags:
			return before | flags
		case store.RemoveFlags:
			return before &^ flags
		}
		return flags
	}
}
