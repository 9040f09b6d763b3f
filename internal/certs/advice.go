package certs

import (
	"cmp"
	"context"
	"crypto/x509"
	"net/url"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

const (
	adviceUsually = 6 * time.Hour // after which an authority is asked again; RFC 9773 §4.3.3
	// RFC 9773 §4.3.2: however soon or late an authority wants to be asked again.
	adviceOften  = time.Minute
	adviceRarely = 24 * time.Hour
	// adviceTime is most that asking takes.
	adviceTime = time.Minute
	// mostExplanation is how long an address may be that explains advice.
	mostExplanation = 500
)

// advice is what an authority suggests about the renewal of a certificate that it has
// issued (RFC 9773): sooner because it will be revoked, or when many others do not come.
type advice struct {
	Start       time.Time `json:"start,omitzero"` // of the window in which it is to be renewed
	End         time.Time `json:"end,omitzero"`
	Explanation string    `json:"explanation,omitempty"` // URL
	AskAt       time.Time `json:"ask_at,omitzero"`       // when it is asked again; zero: now
}

// next is when somebody should look after an order: ask for the certificate, or for
// advice about it.
func (r order) next(a ACME, now time.Time) time.Time {
	due := r.due(a, now)
	// RFC 9773 §4.3: nobody asks about one that has ended.
	if r.Chain == "" || r.Directory != a.Directory || !now.Before(r.NotAfter) {
		return due
	}
	ask := r.Advice.AskAt
	if r.Until.After(ask) {
		ask = r.Until
	}
	if ask.Before(due) {
		return ask
	}
	return due
}

// advise asks an authority when it would like an order renewed that was taken on, and
// says when there is something to do again.
func (k *Keeper) advise(ctx context.Context, a ACME, r order) (next time.Time) {
	c, err := r.certificate()
	if err != nil { // Load has told
		return k.clock().Add(idleLook)
	}
	limited, cancel := context.WithTimeout(ctx, adviceTime)
	info, err := a.authority().GetRenewalInfo(limited, c.Leaf)
	cancel()
	done := r.advised(info, err, alarmTime(c.Leaf), k.clock())
	if ctx.Err() != nil { // we are ending, and have not asked
		done.Advice.AskAt = r.Advice.AskAt
	}
	if err := k.vault.finish(context.WithoutCancel(ctx), done); err != nil {
		k.log.ErrorContext(ctx, "what an authority answered cannot be stored", "name", r.Name, "error", err)
		return k.clock().Add(firstRetry)
	}
	switch {
	case err != nil:
		k.log.DebugContext(ctx, "an authority does not say when to renew", "name", r.Name, "error", err)
	case !done.RenewAt.Equal(r.RenewAt):
		// RFC 9773 §4.2: the operator should know where it is explained.
		k.log.InfoContext(ctx, "an authority suggests when to renew", "name", r.Name, "renewal", done.RenewAt,
			"explanation", cmp.Or(done.Advice.Explanation, "none"))
	}
	return done.next(a, k.clock())
}

// advised is the order after an authority has answered. Without advice its plan stays.
// The renewal is not later than latest, whatever anybody suggests.
func (r order) advised(info acme.RenewalInfo, err error, latest, now time.Time) order {
	r.Owner, r.Until = "", time.Time{}
	wait := adviceUsually
	if err == nil && info.RetryAfter != nil {
		wait = min(max(info.RetryAfter.Sub(now), adviceOften), adviceRarely)
	}
	r.Advice.AskAt = now.Add(wait)
	if err != nil {
		return r
	}
	w := info.SuggestedWindow
	if !w.Start.Equal(r.Advice.Start) || !w.End.Equal(r.Advice.End) { // else the moment is chosen already
		r.RenewAt = info.SelectedTime
		if latest.Before(r.RenewAt) {
			r.RenewAt = latest
		}
	}
	r.Advice.Start, r.Advice.End, r.Advice.Explanation = w.Start, w.End, explanation(info.ExplanationURL)
	return r
}

// replaced is the certificate that a new one takes the place of; nil if the authority
// need not know, or has refused once.
func (r order) replaced(a ACME) *x509.Certificate {
	// RFC 9773 §5: of the same authority, which has said that it gives advice.
	if r.Directory != a.Directory || r.Advice.Start.IsZero() || r.Attempts > 0 {
		return nil
	}
	c, err := r.certificate()
	if err != nil {
		return nil
	}
	return c.Leaf
}

// explanation is an address if it is one that people can be given.
func explanation(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || len(address) > mostExplanation {
		return ""
	}
	return u.String()
}
