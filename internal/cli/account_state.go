package cli

import (
	"fmt"
	"io"
	"strings"

	"posthorn/internal/admin"
	"posthorn/internal/fault"
)

type accountState struct {
	Address string `arg:"" help:"The account's address."`
	State   string `arg:"" help:"active, receive-only, no-login, suspended or disabled." enum:"active,receive-only,no-login,suspended,disabled"`
	Reason  string `help:"Why, for whoever looks at it later." placeholder:"TEXT"`
}

// Help is shown below the summary.
func (c *accountState) Help() string {
	return "receive-only: reads and gets mail, but sends none. no-login: gets mail. suspended: other servers keep its mail for now. " +
		"disabled: its mail is refused. In the last three nobody logs in; nothing in the mailboxes is lost in any."
}

func (c *accountState) Run(e *environment) error {
	a, err := call(e, admin.SetState, admin.AccountState{Address: c.Address, State: c.State, Reason: c.Reason})
	if err != nil {
		return err
	}
	return e.print(a, func(w io.Writer) { fmt.Fprintf(w, "%s is %s\n", a.Address, state(a)) })
}

type accountMechanisms struct {
	Address string   `arg:"" help:"The account's address."`
	Off     []string `help:"Mechanisms that it cannot be logged in to with, from now on: PLAIN,LOGIN. Others are on." placeholder:"NAME"`
	AllOn   bool     `help:"Switch all of them on."`
}

func (c *accountMechanisms) Run(e *environment) error {
	if c.AllOn == (len(c.Off) > 0) {
		return fault.New(fault.Invalid, "which ones? Give --off NAME,NAME or --all-on")
	}
	a, err := call(e, admin.SetMechanisms, admin.AccountMechanisms{Address: c.Address, Off: c.Off})
	if err != nil {
		return err
	}
	return e.print(a, func(w io.Writer) {
		fmt.Fprintf(w, "switched off for %s: %s\n", a.Address, or(strings.Join(a.Off, " "), "nothing"))
	})
}
