package server

import (
	"context"
	"fmt"

	"posthorn/internal/addr"
	"posthorn/internal/config"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/inbound"
	"posthorn/internal/notice"
	"posthorn/internal/obs"
	"posthorn/internal/store"
)

// Who has a quota is told that it is running out. What a delivery pays for that is a
// comparison of two numbers, after its commit; the rest is done by a goroutine of its own.
// A commit crosses a line or does not, so that each crossing is told once, by the node that
// has made it, and nothing has to be remembered. What waits is bounded: an owner who was
// not told now is told at the next line.

// quotasWaiting is how many accounts may wait to be told of.
const quotasWaiting = 256

// nearlyFull is how many percent a mailbox is used that its owner is to hear of as full.
const nearlyFull = 80

// quotaCrossing is that an account has crossed a line, or has refused mail.
type quotaCrossing struct {
	account  store.AccountID
	full     addr.Address // of a refusal: who was written to; then the account is not known
	from, to int          // lines that lie below
	quota    store.Quota
}

// quotaLines is how many of the lines of a configuration a quota has reached.
func quotaLines(c config.Quota, q store.Quota) (reached int) {
	percent := q.Percent()
	for _, line := range []int{c.Warning, c.Urgent} {
		if line > 0 && percent >= line {
			reached++
		}
	}
	return reached
}

// quotaChanged is told of each commit that changes what an account with a quota has.
func (d *Data) quotaChanged(account store.AccountID, before, after store.Quota) {
	lines := d.config.Load().Quota
	if from, to := quotaLines(lines, before), quotaLines(lines, after); from != to {
		d.noteQuota(quotaCrossing{account: account, from: from, to: to, quota: after})
	}
}

func (d *Data) noteQuota(c quotaCrossing) {
	select {
	case d.quotas <- c:
	default: // no server runs, or very many accounts are told of
	}
}

// fullBoxes hears of mail that is refused because a mailbox is full.
type fullBoxes struct{ *Data }

// Record hands the event on.
func (f fullBoxes) Record(e *obs.Event) {
	f.History.Record(e)
	if e.Kind != obs.RecipientRefused || e.Rule != string(inbound.RuleRecipientOverQuota) || !f.config.Load().Quota.Full {
		return
	}
	for _, to := range e.To {
		if address, err := addr.Parse(to.Address); err == nil {
			f.noteQuota(quotaCrossing{full: address})
		}
	}
}

// watchQuotas tells owners, until ctx ends.
func (d *Data) watchQuotas(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-d.quotas:
			if err := d.tellOfQuota(ctx, c); err != nil && ctx.Err() == nil {
				d.trail.Log.WarnContext(ctx, "nobody was told of a quota", "error", err)
			}
		}
	}
}

func (d *Data) tellOfQuota(ctx context.Context, c quotaCrossing) error {
	if !c.full.IsZero() {
		return d.tellOfFull(ctx, c.full)
	}
	account, err := d.Directory.AccountByID(ctx, directory.AccountID(c.account))
	switch {
	case fault.Is(err, fault.NotFound): // it was deleted meanwhile
		return nil
	case err != nil:
		return err
	case c.to < c.from:
		d.trail.Log.InfoContext(ctx, "an account has room again", "account", account.Address.String(), "percent", c.quota.Percent())
		return nil
	}
	kind := notice.QuotaWarning
	if lines := d.config.Load().Quota; lines.Urgent > 0 && c.quota.Percent() >= lines.Urgent {
		kind = notice.QuotaUrgent
	}
	return d.postQuota(ctx, kind, account.Address, c.quota)
}

// tellOfFull finds who of those behind an address has no room, and tells them.
func (d *Data) tellOfFull(ctx context.Context, to addr.Address) error {
	r, err := d.Directory.Resolve(ctx, to)
	if err != nil {
		return err
	}
	for _, one := range r.Recipients {
		quota, err := d.Store.Account(store.AccountID(one.ID)).Quota(ctx)
		if err != nil {
			return err
		}
		if quota.Percent() < nearlyFull { // the message was too large for a mailbox with much room
			continue
		}
		if err := d.postQuota(ctx, notice.QuotaFull, one.Address, quota); err != nil {
			return err
		}
	}
	return nil
}

func (d *Data) postQuota(ctx context.Context, kind notice.Kind, to addr.Address, q store.Quota) error {
	values := map[string]string{
		"percent": fmt.Sprint(q.Percent()), "messages": "",
		"used": megabytes(q.Used.Bytes), "limit": megabytes(q.Limit.Bytes),
	}
	if bytes := (store.Quota{Limit: store.Resources{Bytes: q.Limit.Bytes}, Used: q.Used}); q.Limit.Messages > 0 && bytes.Percent() < q.Percent() {
		values["messages"], values["used"], values["limit"] = "yes", fmt.Sprint(q.Used.Messages), fmt.Sprint(q.Limit.Messages)
	}
	d.trail.Log.InfoContext(ctx, "an account fills up", "account", to.String(), "percent", q.Percent(), "letter", string(kind))
	return d.Notices.Post(ctx, notice.Letter{Kind: kind, To: to, Account: to.String(), Values: values})
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
