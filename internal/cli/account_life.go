package cli

import (
	"encoding/csv"
	"fmt"
	"io"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/directory"
)

type accountRename struct {
	Address string `arg:"" help:"The account's address."`
	To      string `arg:"" help:"The one that it gets."`
	Alias   bool   `help:"Leave an alias: mail for the old address goes to it as before."`
}

func (c *accountRename) Run(e *environment) error {
	account, err := call(e, admin.RenameAccount, admin.AccountRename{Address: c.Address, To: c.To, Alias: c.Alias})
	if err != nil {
		return err
	}
	return e.print(account, func(w io.Writer) { fmt.Fprintf(w, "%s is %s now, and logs in as that\n", c.Address, account.Address) })
}

type accountUndelete struct {
	Address string `arg:"" help:"The address that it had."`
	As      string `help:"Another address for it, if somebody else has that one by now." placeholder:"ADDRESS"`
}

func (c *accountUndelete) Run(e *environment) error {
	account, err := call(e, admin.UndeleteAccount, admin.AccountRename{Address: c.Address, To: c.As})
	if err != nil {
		return err
	}
	return e.print(account, func(w io.Writer) { fmt.Fprintf(w, "%s is back, with its mail and its password\n", account.Address) })
}

// listDeleted shows what can be brought back.
func listDeleted(e *environment) error {
	accounts, err := call(e, admin.ListDeleted, admin.Nothing{})
	if err != nil {
		return err
	}
	return e.print(accounts, func(w io.Writer) {
		rows := [][]string{{"ADDRESS", "DELETED", "CAN BE BROUGHT BACK UNTIL"}}
		for _, a := range accounts {
			rows = append(rows, []string{a.Address, day(a.Deleted), a.Deleted.Add(directory.KeepDeleted).Format(time.DateOnly)})
		}
		table(w, rows)
	})
}

type accountExport struct{}

// Help is shown below the summary.
func (c *accountExport) Help() string {
	return "The lines are address,password. With --json everything is written: domains, settings, quotas and aliases, too. " +
		"What can be tried against these hashes can be guessed: keep them as you keep passwords."
}

func (c *accountExport) Run(e *environment) error {
	all, err := call(e, admin.ExportRoster, admin.Nothing{})
	if err != nil {
		return err
	}
	var failed error
	err = e.print(all, func(w io.Writer) {
		lines, others := csv.NewWriter(w), 0
		lines.Write([]string{"address", "password"}) // errors stay until Error
		for _, a := range all.Accounts {
			if a.Directory != "" {
				others++
				continue
			}
			lines.Write([]string{a.Address, a.Password})
		}
		lines.Flush()
		if failed = lines.Error(); others > 0 {
			fmt.Fprintf(e.Err, "posthorn: %s of other directories left out; --json has them\n", count(others, "account", "accounts"))
		}
	})
	if err != nil {
		return err
	}
	return failed
}
