package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"posthorn/internal/admin"
)

// listWithoutScram shows what keeps SCRAM from being offered, and what to do about it.
func listWithoutScram(e *environment) error {
	report, err := call(e, admin.ShowScram, admin.Nothing{})
	if err != nil {
		return err
	}
	slices.SortFunc(report.Accounts, func(a, b admin.Keyless) int { return strings.Compare(byDomain(a.Address), byDomain(b.Address)) })
	return e.print(report, func(w io.Writer) {
		if len(report.Accounts) > 0 {
			table(w, keylessRows(report.Accounts))
			fmt.Fprintln(w)
		}
		switch {
		case report.Directories:
			fmt.Fprintln(w, "SCRAM is not offered: other directories ([[directory]]) do not give the keys for it.")
		case report.Unsealed:
			fmt.Fprintln(w, "SCRAM is not offered: data/secrets.key, which opens the keys for it, is not there or is another. The first password makes it.")
		case len(report.Accounts) > 0:
			fmt.Fprintln(w, "SCRAM is not offered until there are keys for all of these. The owner's next login in plain makes them, and so does")
			fmt.Fprintln(w, "`posthorn account passwd`; an app password has to be removed, or made anew.")
		case report.Offered:
			fmt.Fprintln(w, "SCRAM is offered: there are keys for everybody.")
		default:
			fmt.Fprintln(w, "Accounts are still being looked at; SCRAM is offered when that is done.")
		}
	})
}

func keylessRows(accounts []admin.Keyless) [][]string {
	rows := [][]string{{"ADDRESS", "NO KEYS FOR"}}
	for _, k := range accounts {
		var what []string
		if k.Password {
			what = append(what, "its password")
		}
		for _, name := range k.Apps {
			what = append(what, "app password "+clean(name))
		}
		rows = append(rows, []string{k.Address, strings.Join(what, ", ")})
	}
	return rows
}
