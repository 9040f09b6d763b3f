package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"posthorn/internal/admin"
)

type certificateCommand struct {
	List  certificateList  `cmd:"" help:"Those that clients are shown, until when, and what is wrong with them."`
	Renew certificateRenew `cmd:"" help:"Ask the authority for a certificate now, whatever went wrong before."`
}

type certificateList struct{}

func (c *certificateList) Run(e *environment) error {
	all, err := call(e, admin.ListCertificates, admin.Nothing{})
	if err != nil {
		return err
	}
	return e.print(all, func(w io.Writer) {
		rows := [][]string{{"NAMES", "FROM", "UNTIL", "RENEWAL", "PROBLEM"}}
		for _, one := range all {
			from := or(one.File, one.Source)
			rows = append(rows, []string{strings.Join(one.Names, " "), from, dayText(one.Until), dayText(one.Renewal), one.Problem})
		}
		table(w, rows)
		for _, one := range all {
			if one.Why != "" {
				fmt.Fprintf(w, "\n%s: the authority explains when it is renewed: %s\n", strings.Join(one.Names, " "), clean(one.Why))
			}
			if one.Error != "" {
				fmt.Fprintf(w, "\n%s: %s without a certificate, the next one %s. The last:\n  %s\n", strings.Join(one.Names, " "),
					count(one.Attempts, "attempt", "attempts"), one.Next.UTC().Format("2006-01-02 15:04 UTC"), one.Error)
			}
		}
	})
}

func dayText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

type certificateRenew struct {
	Name string `arg:"" optional:"" help:"The name that it is for. Without it: all of [acme]."`
}

func (c *certificateRenew) Run(e *environment) error {
	due, err := call(e, admin.RenewCertificate, admin.Name{Name: c.Name})
	if err != nil {
		return err
	}
	return e.print(due, func(w io.Writer) {
		fmt.Fprintf(w, "The server asks for %s: %s. The log and `posthorn certificate list` tell how it goes.\n",
			count(len(due.Names), "certificate", "certificates"), strings.Join(due.Names, ", "))
	})
}
