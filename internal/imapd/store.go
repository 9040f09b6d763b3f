package imapd

import (
	"context"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// store is STORE (RFC 3501 §6.4.6, RFC 7162 §3.1.3). What others have changed is told after it, not
// before: a FETCH response during a STORE shows what the message is like then.
func (s *session) store(ctx context.Context, c *command) error {
	var set imapwire.NumSet
	var o imapwire.StoreOptions
	if !s.dec.SP() || !s.dec.NumSet(&set) || !s.dec.SP() || !s.dec.Store(&o) || !s.dec.End() {
		return s.syntax()
	}
	if s.box.readOnly {
		return errReadOnly
	}
	sel, err := s.box.view.selection(set, c.uid)
	if err != nil {
		return err
	}
	change, err := s.box.flagChange(&o)
	if err != nil {
		return err
	}
	if o.Conditional {
		s.enableCondStore()
		since := store.ModSeq(o.UnchangedSince)
		change.UnchangedSince, change.Known = &since, s.box.view.Snapshot
	}
	var modified string
	if sel.uids = s.limited(c, sel.uids); !sel.empty() {
		own := &ownChange{uids: sel.uids, silent: o.Silent, conditional: o.Conditional}
		after, err := s.changeFlags(ctx, own, change)
		if err != nil {
			return err
		}
		if s.readErr = s.tell(after, telling{uid: c.uid, own: own}); s.readErr != nil {
			return s.readErr
		}
		modified = s.box.modified(own.failed, c.uid)
		if sel, err = s.box.view.selection(set, c.uid); err != nil { // some may be gone
			return err
		}
	}
	switch {
	case sel.gone && modified != "": // RFC 7162 §3.1.3
		return no(modified, "Some of these messages are gone, and some have changed")
	case sel.gone:
		return errExpunged
	}
	c.code = modified
	return nil
}

// flagChange is what the user may change of what he wants to. RFC 4314 §4: a STORE does
// not fail if there is anything.
func (m *mailbox) flagChange(o *imapwire.StoreOptions) (store.FlagChange, error) {
	change := store.FlagChange{Op: storeOps[o.Op], Flags: m.mayChange(o.Flags)}
	may := m.rights.Flags()
	if may == 0 || len(change.Flags) == 0 && len(o.Flags) > 0 {
		return change, errNoRight
	}
	if may != store.AllFlags {
		change.Only = may
	}
	return change, nil
}

// modified is the response code for messages that a conditional STORE has left alone
// (RFC 7162 §3.1.3); empty if there are none.
func (m *mailbox) modified(failed []store.UIDRange, uid bool) string {
	var nums []uint32
	m.view.EachUID(failed, func(seq int, e store.Entry) bool {
		if uid {
			nums = append(nums, uint32(e.UID))
		} else {
			nums = append(nums, uint32(m.view.number(seq)))
		}
		return true
	})
	if nums == nil {
		return ""
	}
	return string(imapwire.AppendNums([]byte("MODIFIED "), nums))
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
// then. It completes own.
func (s *session) changeFlags(ctx context.Context, own *ownChange, change store.FlagChange) (after *store.Snapshot, err error) {
	err = s.box.account.Update(ctx, func(tx *store.Tx) error {
		res, err := tx.Store(s.box.id, own.uids, change)
		if err == nil {
			own.failed = res.Failed
			after, err = tx.Snapshot(s.box.id)
		}
		return err
	})
	if err == nil {
		own.result = effect(change, after)
	}
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
		if change.Only != 0 {
			return before&^change.Only | flags&change.Only
		}
		return flags
	}
}
