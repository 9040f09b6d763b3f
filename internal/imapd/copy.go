package imapd

import (
	"context"
	"strconv"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/obs"
	"posthorn/internal/store"
)

// copy is COPY (RFC 3501 §6.4.7).
func (s *session) copy(ctx context.Context, c *command) error {
	result, err := s.transfer(ctx, c, store.Transfer.Copy)
	if err == nil {
		c.code = result.code()
	}
	return err
}

// move is MOVE (RFC 6851 §3). COPYUID comes before the EXPUNGEs (§4.3).
func (s *session) move(ctx context.Context, c *command) error {
	if s.box.readOnly {
		return errReadOnly
	}
	// RFC 6851 §4.2: what STORE of \Deleted and EXPUNGE need.
	if err := s.box.require(store.RightDeleteMail | store.RightExpunge); err != nil {
		return err
	}
	result, err := s.transfer(ctx, c, store.Transfer.Move)
	if err == nil && result.abroad && len(result.From) > 0 {
		s.deleted(obs.Expunged, s.box.place, len(result.From)) // for whoever had them
	}
	if code := result.code(); err == nil && code != "" {
		s.line("* OK [", code, "] Moved")
	}
	return err
}

// transferred is what a COPYUID tells.
type transferred struct {
	uidValidity uint32
	abroad      bool // into another account
	store.Copied
}

// code is the response code (RFC 4315 §3); empty if there was nothing to do.
func (t *transferred) code() string {
	if len(t.From) == 0 {
		return ""
	}
	b := strconv.AppendUint([]byte("COPYUID "), uint64(t.uidValidity), 10)
	b = imapwire.AppendNums(append(b, ' '), t.From)
	return string(imapwire.AppendNums(append(b, ' '), t.To))
}

type transfer func(store.Transfer) (store.Copied, error)

// transfer copies or moves messages in one commit: all of them or, if some of those
// that were named by number are gone, none (RFC 3501 §6.4.7).
func (s *session) transfer(ctx context.Context, c *command, how transfer) (result transferred, err error) {
	var set imapwire.NumSet
	var name string
	if !s.dec.SP() || !s.dec.NumSet(&set) || !s.mailboxArgument(&name) || !s.dec.End() {
		return result, s.syntax()
	}
	sel, err := s.selection(ctx, c, set)
	switch {
	case err != nil:
		return result, err
	case sel.gone:
		return result, errExpunged
	case sel.empty():
		return result, nil
	}
	if sel.uids, err = s.mayTransfer(c, sel.uids); err != nil {
		return result, err
	}
	p, err := s.place(ctx, name, store.RightInsert)
	if err != nil {
		return result, err
	}
	var into store.MailboxID
	from, wanted := s.box, s.box.view.count(sel.uids)
	accounts := []store.AccountID{from.account.ID(), p.account.ID()}
	result.abroad = accounts[0] != accounts[1]
	defer s.working(c)()
	err = s.srv.store.Update(ctx, accounts, func(tx *store.MultiTx) error {
		src, dst := tx.Account(from.account.ID()), tx.Account(p.account.ID())
		to, err := dst.Mailbox(p.name)
		if fault.Is(err, fault.NotFound) {
			return errTryCreate
		}
		if err != nil {
			return err
		}
		into, result.uidValidity = to.ID, to.UIDValidity
		result.Copied, err = how(store.Transfer{
			Src: src, From: from.id, UIDs: sel.uids, Dst: dst, To: to.ID, Keep: p.rights.Flags(),
		})
		if err == nil && !c.uid && len(result.From) < wanted {
			return errExpunged
		}
		return err
	})
	s.noteOwn(p.account, into, result.To)
	return result, err
}

// errTryCreate tells a client that CREATE may help (RFC 3501 §7.1).
var errTryCreate = no("TRYCREATE", "There is no mailbox of that name, create it first")
