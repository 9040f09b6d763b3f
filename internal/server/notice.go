package server

import (
	"cmp"
	"context"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/certs"
	"posthorn/internal/notice"
)

// noticeSite is what the configuration of now says of letters.
func (d *Data) noticeSite() notice.Site {
	c := d.config.Load()
	operator, _ := addr.Parse(c.Operator) // it was looked at when the file was read; "" is nobody
	return notice.Site{Hostname: c.Hostname, Operator: operator}
}

// tellOfCertificates writes to the operator what is wrong with certificates.
func (d *Data) tellOfCertificates(ctx context.Context) error {
	states, err := d.keeper.States(ctx)
	for _, s := range states {
		if letter, due := aboutCertificate(s); due && err == nil {
			err = d.Notices.Post(ctx, letter)
		}
	}
	return err
}

// patienceWithAuthorities is how often an authority may fail before somebody is told: with the waits
// in between, for an hour.
const patienceWithAuthorities = 3

// aboutCertificate is what the operator should know of a certificate, if anything.
func aboutCertificate(s certs.State) (l notice.Letter, due bool) {
	about := cmp.Or(s.File, strings.Join(s.Names, ", "))
	switch {
	case s.Attempts >= patienceWithAuthorities:
		next := s.Next.UTC().Format("2006-01-02 15:04 UTC")
		return notice.Letter{Kind: notice.RenewalFailed, Account: about, Values: map[string]string{"problem": s.Error, "next": next}}, true
	case s.Problem != "" && !s.From.IsZero() && s.Source != certs.SelfSigned: // else there will be one soon, or it is told above
		return notice.Letter{Kind: notice.CertificateTrouble, Account: about, Values: map[string]string{"problem": s.Problem}}, true
	}
	return l, false
}
