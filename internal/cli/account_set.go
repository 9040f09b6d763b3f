package cli

import (
	"fmt"
	"io"
	"strings"

	"posthorn/internal/admin"
	"posthorn/internal/fault"
)

type accountForward struct {
	Address string   `arg:"" help:"The account's address."`
	To      []string `help:"Where its mail goes, here or on another server; may be given several times." placeholder:"ADDRESS"`
	Keep    bool     `help:"Keep a copy in the mailbox as well."`
	None    bool     `help:"Forward nothing any more."`
}

func (c *accountForward) Run(e *environment) error {
	if c.None == (len(c.To) > 0) {
		return fault.New(fault.Invalid, "where to? Give --to ADDRESS, or --none")
	}
	a, err := call(e, admin.ForwardAccount, admin.Account{Address: c.Address, Forward: c.To, Keeps: c.Keep})
	if err != nil {
		return err
	}
	return e.print(a, func(w io.Writer) { fmt.Fprintf(w, "mail for %s goes to %s\n", a.Address, forwarding(a)) })
}

// forwarding says where an account's mail goes.
func forwarding(a admin.Account) string {
	if len(a.Forward) == 0 {
		return "its mailbox"
	}
	text := strings.Join(a.Forward, ", ")
	if a.Keeps {
		text += " and its mailbox"
	}
	return text
}

type accountSet struct {
	Address  string  `arg:"" help:"The account's address."`
	Language *string `help:"The language in which the server writes to its owner: en, zh-CN; empty: not known." placeholder:"TAG"`
}

func (c *accountSet) Run(e *environment) error {
	if c.Language == nil {
		return fault.New(fault.Invalid, "what is to be set? There is: --language TAG")
	}
	a, err := call(e, admin.SetAccount, admin.AccountSettings{Address: c.Address, Language: c.Language})
	if err != nil {
		return err
	}
	return e.print(a, func(w io.Writer) { fmt.Fprintf(w, "language of %s: %s\n", a.Address, or(a.Language, "not known")) })
}
