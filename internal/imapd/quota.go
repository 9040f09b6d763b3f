package imapd

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// The quota root of all mailboxes of an account has the account's address as its name
// (RFC 9208 §3.2).

// quotaResources are the resources of RFC 9208 §5. Storage is counted in units.
var quotaResources = [...]struct {
	name string
	unit int64
	of   func(*store.Resources) *int64
}{
	{"STORAGE", 1 << 10, func(r *store.Resources) *int64 { return &r.Bytes }},
	{"MESSAGE", 1, func(r *store.Resources) *int64 { return &r.Messages }},
	{"MAILBOX", 1, func(r *store.Resources) *int64 { return &r.Mailboxes }},
	{"ANNOTATION-STORAGE", 1 << 10, func(r *store.Resources) *int64 { return &r.Annotations }},
}

// getQuota is GETQUOTA (RFC 9208 §4.1.1).
func (s *session) getQuota(ctx context.Context, _ *command) error {
	var root string
	if !s.dec.SP() || !s.dec.AString(&root) || !s.dec.End() {
		return s.syntax()
	}
	a, err := s.quotaRoot(ctx, root)
	if err != nil {
		return err
	}
	return s.tellQuota(ctx, a, root)
}

// quotaRoot finds the account of a quota root. Users see their own, which clients that
// grew up with RFC 2087 also call ""; administrators see all.
func (s *session) quotaRoot(ctx context.Context, root string) (*store.Account, error) {
	if root == s.user || root == "" {
		return s.account, nil
	}
	if s.isAdministrator() {
		id, _, err := s.findUser(ctx, root)
		if err == nil {
			return s.srv.store.Account(id), nil
		}
		if !fault.Is(err, fault.NotFound) {
			return nil, err
		}
	}
	return nil, no("NONEXISTENT", "There is no such quota root")
}

// isAdministrator reports whether the user may set quotas, by the server's configuration.
func (s *session) isAdministrator() bool {
	return slices.ContainsFunc(s.srv.admins, func(address string) bool { return strings.EqualFold(address, s.user) })
}

// getQuotaRoot is GETQUOTAROOT (RFC 9208 §4.1.2). A mailbox of the user's own need not
// exist.
func (s *session) getQuotaRoot(ctx context.Context, _ *command) error {
	var name string
	if !s.mailboxArgument(&name) || !s.dec.End() {
		return s.syntax()
	}
	p, err := s.place(ctx, name, store.RightRead) // RFC 9208 §6
	if err != nil {
		return err
	}
	root := p.owner
	b := s.appendMailbox(append(s.conn.AvailableBuffer(), "* QUOTAROOT "...), p.shown)
	b = imapwire.AppendAString(append(b, ' '), root)
	s.conn.Write(append(b, "\r\n"...))
	return s.tellQuota(ctx, p.account, root)
}

// setQuota is SETQUOTA (RFC 9208 §4.1.3). That the owner of a mailbox has all rights to it
// does not make him the one who says how much it may hold: that is for administrators.
func (s *session) setQuota(ctx context.Context, _ *command) error {
	var root string
	var limits []imapwire.QuotaLimit
	if !s.dec.SP() || !s.dec.AString(&root) || !s.dec.SP() || !s.dec.QuotaLimits(&limits) || !s.dec.End() {
		return s.syntax()
	}
	if !s.isAdministrator() {
		return no("NOPERM", "Only an administrator may set quotas")
	}
	a, err := s.quotaRoot(ctx, root)
	if err != nil {
		return err
	}
	var to store.Resources // RFC 9208 §4.1.3: what is not named is not limited any more
	for _, l := range limits {
		if err := setLimit(&to, l); err != nil {
			return err
		}
	}
	err = a.Update(ctx, func(tx *store.Tx) error {
		tx.SetLimits(to)
		return nil
	})
	if err != nil {
		return err
	}
	s.conn.Log().Info("quota set", "root", root, "bytes", to.Bytes, "messages", to.Messages, "mailboxes", to.Mailboxes, "annotations", to.Annotations)
	return s.tellQuota(ctx, a, root)
}

// setLimit sets the limit of one resource. One of 0 allows nothing.
func setLimit(to *store.Resources, l imapwire.QuotaLimit) error {
	for _, r := range quotaResources {
		if r.name != l.Resource {
			continue
		}
		limit := int64(min(l.Limit, uint64(math.MaxInt64/r.unit))) * r.unit
		if limit == 0 {
			limit = -1
		}
		*r.of(to) = limit
		return nil
	}
	return no("CANNOT", "There is no such resource; there are STORAGE, MESSAGE, MAILBOX and ANNOTATION-STORAGE")
}

// tellQuota writes the QUOTA response, of the resources that are limited.
func (s *session) tellQuota(ctx context.Context, a *store.Account, root string) error {
	q, err := a.Quota(ctx)
	if err != nil {
		return err
	}
	b := imapwire.AppendAString(append(s.conn.AvailableBuffer(), "* QUOTA "...), root)
	b = append(b, " ("...)
	sep := ""
	for _, r := range quotaResources {
		limit := *r.of(&q.Limit)
		if limit == 0 {
			continue
		}
		b = append(append(append(b, sep...), r.name...), ' ')
		b = strconv.AppendInt(b, inUnits(*r.of(&q.Used), r.unit), 10)
		b = strconv.AppendInt(append(b, ' '), inUnits(max(limit, 0), r.unit), 10)
		sep = " "
	}
	s.conn.Write(append(b, ")\r\n"...))
	return nil
}

// inUnits rounds up: what is there is never told as nothing.
func inUnits(n, unit int64) int64 {
	if n > math.MaxInt64-unit {
		return n / unit
	}
	return (n + unit - 1) / unit
}
