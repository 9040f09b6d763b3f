package imapd

import (
	"context"

	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// renewRights looks, before a command runs, whether the user may still do in the selected
// mailbox what he could when he selected it: its owner may have changed that. The store is
// only asked for a mailbox of somebody else, and if anything has happened in his account.
// Who may not read it any more is sent away, as from one that was deleted. Its error ends
// the session.
func (s *session) renewRights(ctx context.Context) error {
	m := s.box
	if m == nil || m.account.ID() == s.account.ID() || !s.stale.Load() {
		return nil
	}
	acl, err := m.account.MailboxACL(ctx, m.id)
	var rights store.Rights
	if err == nil {
		rights, err = s.rights(ctx, acl)
	}
	switch {
	case fault.Is(err, fault.NotFound):
		return errMailboxGone
	case err != nil: // he keeps what he had until it can be known
		s.conn.Log().Warn("looking for changed rights failed", "error", err)
		return nil
	case !rights.Has(store.RightRead):
		return errNotShared
	case rights == m.rights:
		return nil
	}
	m.rights = rights
	was := m.readOnly
	m.readOnly = m.isReadOnly()
	out := s.newOutput()
	m.describeFlags(out)
	switch { // RFC 3501 §7.1
	case m.readOnly && !was:
		out.b = append(out.b, "* OK [READ-ONLY] You may only read this mailbox now\r\n"...)
	case was && !m.readOnly:
		out.b = append(out.b, "* OK [READ-WRITE] You may change this mailbox now\r\n"...)
	}
	s.readErr = s.closeOutput(out)
	return s.readErr
}
