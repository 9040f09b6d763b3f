package imapd

import (
	"context"

	"posthorn/internal/imapwire"
	"posthorn/internal/obs"
	"posthorn/internal/store"
)

// replaced is the message that REPLACE puts another one in the place of.
type replaced struct {
	box *mailbox
	uid store.UID
}

// replace is REPLACE (RFC 8508 §3): one commit takes a message out of the selected
// mailbox and puts the new one where it is wanted, so that room is needed only for what
// it is larger.
func (s *session) replace(ctx context.Context, c *command) error {
	var set imapwire.NumSet
	var up upload
	if !s.dec.SP() || !s.dec.NumSet(&set) || !s.mailboxArgument(&up.mailbox) {
		return s.syntax()
	}
	var err error
	if up.replaces, err = s.toReplace(ctx, c, set); err != nil {
		return err
	}
	defer up.release()
	if err := s.receive(ctx, &up); err != nil {
		return err
	}
	code, err := s.deliver(ctx, &up)
	if err == nil {
		s.deleted(obs.Expunged, up.replaces.box.place, 1)
		// RFC 8508 §4.3: before the EXPUNGE.
		s.line("* OK [", code, "] Replacement message ready")
	}
	return err
}

// toReplace looks up the message that is to be replaced.
func (s *session) toReplace(ctx context.Context, c *command, set imapwire.NumSet) (*replaced, error) {
	if set.Saved || len(set.Ranges) != 1 || set.Ranges[0].First != set.Ranges[0].Last {
		return nil, bad("REPLACE takes one message")
	}
	sel, err := s.selection(ctx, c, set)
	switch {
	case err != nil:
		return nil, err
	case sel.gone:
		return nil, errExpunged
	case s.box.view.count(sel.uids) != 1:
		return nil, no("NONEXISTENT", "There is no message of that UID")
	case s.box.readOnly:
		return nil, errReadOnly
	}
	// RFC 8508 §4.1: what STORE of \Deleted and EXPUNGE need.
	if err := s.box.require(store.RightDeleteMail | store.RightExpunge); err != nil {
		return nil, err
	}
	return &replaced{s.box, sel.uids[0].First}, nil
}

// remove takes the message out, which must still be there.
func (r *replaced) remove(tx *store.MultiTx) error {
	gone, err := tx.Account(r.box.account.ID()).Remove(r.box.id, []store.UIDRange{{First: r.uid, Last: r.uid}})
	if err == nil && len(gone) == 0 {
		return errExpunged
	}
	return err
}
