package imapd

import (
	"context"
	"math"
	"strconv"

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
// grew up with RFC 2087 also call "".
func (s *session) quotaRoot(_ context.Context, root string) (*store.Account, error) {
	if root == s.user || root == "" {
		return s.account, nil
	}
	return nil, no("NONEXISTENT", "There is no such quota root")
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

// setQuota is SETQUOTA (RFC 9208 §4.1.3), which QUOTASET offers. No user may set a quota
// through here: that is for those who administer the server, by its own commands.
func (s *session) setQuota(context.Context, *command) error {
	var root string
	var limits []imapwire.QuotaLimit
	if !s.dec.SP() || !s.dec.AString(&root) || !s.dec.SP() || !s.dec.QuotaLimits(&limits) || !s.dec.End() {
		return s.syntax()
	}
	return no("NOPERM", "Only an administrator may set quotas")
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
