package admin

import (
	"context"
	"time"
)

// Certificate is one that clients are shown, or that they should be.
type Certificate struct {
	Names   []string  `json:"names"`
	Source  string    `json:"source"` // "file", "acme", "self-signed"
	File    string    `json:"file,omitempty"`
	From    time.Time `json:"from,omitzero"` // without: there is none yet
	Until   time.Time `json:"until,omitzero"`
	Problem string    `json:"problem,omitempty"`

	// Of those of an authority.
	Renewal  time.Time `json:"renewal,omitzero"`
	Why      string    `json:"why,omitempty"`      // where the authority explains Renewal
	Attempts int       `json:"attempts,omitempty"` // that came to nothing, since the last that did not
	Error    string    `json:"error,omitempty"`    // of the last of them
	Next     time.Time `json:"next,omitzero"`
}

// CertificatesDue are the names whose certificates are asked for now.
type CertificatesDue struct {
	Names []string `json:"names"`
}

func (a *Admin) listCertificates(ctx context.Context, _ Nothing) ([]Certificate, error) {
	states, err := a.o.Keeper.States(ctx)
	all := make([]Certificate, len(states))
	for i, s := range states {
		all[i] = Certificate{
			Names: s.Names, Source: string(s.Source), File: s.File, From: s.From, Until: s.Until, Problem: s.Problem,
			Renewal: s.Renewal, Why: s.Why, Attempts: s.Attempts, Error: s.Error, Next: s.Next,
		}
	}
	return all, err
}

// renewCertificate lets a running server ask at once; one that does not run does so
// when it starts.
func (a *Admin) renewCertificate(ctx context.Context, r Name) (CertificatesDue, error) {
	names, err := a.o.Keeper.Renew(ctx, r.Name)
	return CertificatesDue{names}, err
}
