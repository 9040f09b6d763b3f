package cli

import (
	"fmt"
	"io"

	"posthorn/internal/admin"
	"posthorn/internal/fault"
)

type domainAdmin struct {
	Add    domainAdminAdd    `cmd:"" help:"Let an account administer a domain."`
	Remove domainAdminRemove `cmd:"" help:"Take that back."`
	List   domainAdminList   `cmd:"" help:"List the accounts that administer a domain."`
}

type domainAdminAdd struct {
	Domain  string `arg:"" help:"The domain."`
	Address string `arg:"" help:"The account's address, in this domain or another one."`
}

// Help is shown below the summary.
func (c *domainAdminAdd) Help() string {
	return "It may then see and change the domain's accounts, aliases and quotas, and see its part of the queue and of the history, " +
		"from anywhere: posthorn --server https://mail.example.test --user ADDRESS account list. It makes no other admins, and reads no mail. " +
		"What it may give to accounts is set with: posthorn domain set."
}

func (c *domainAdminAdd) Run(e *environment) error {
	if _, err := call(e, admin.AddDomainAdmin, admin.DomainAdmin{Domain: c.Domain, Address: c.Address}); err != nil {
		return err
	}
	return e.done("added", c.Address, "%s administers %s now", c.Address, c.Domain)
}

type domainAdminRemove struct {
	Domain  string `arg:"" help:"The domain."`
	Address string `arg:"" help:"The account's address."`
}

func (c *domainAdminRemove) Run(e *environment) error {
	if _, err := call(e, admin.RemoveDomainAdmin, admin.DomainAdmin{Domain: c.Domain, Address: c.Address}); err != nil {
		return err
	}
	return e.done("removed", c.Address, "%s does not administer %s any more", c.Address, c.Domain)
}

type domainAdminList struct {
	Domain string `arg:"" help:"The domain."`
}

func (c *domainAdminList) Run(e *environment) error {
	admins, err := call(e, admin.ListDomainAdmins, admin.Name{Name: c.Domain})
	if err != nil {
		return err
	}
	return e.print(admins, func(w io.Writer) {
		for _, account := range admins {
			fmt.Fprintln(w, account.Address)
		}
	})
}

type domainSet struct {
	Domain   string      `arg:"" help:"The domain."`
	Accounts *countLimit `help:"How many accounts it may have; none: no limit." placeholder:"NUMBER"`
	Quota    *sizeLimit  `help:"The quota of new accounts, and the largest that the domain's admins may give; none: no limit." placeholder:"SIZE"`
}

func (c *domainSet) Run(e *environment) error {
	if c.Accounts == nil && c.Quota == nil {
		return fault.New(fault.Invalid, "what is to be set? There are: --accounts NUMBER, --quota SIZE")
	}
	d, err := call(e, admin.SetDomain, admin.DomainSettings{Domain: c.Domain, Accounts: (*int64)(c.Accounts), Quota: (*int64)(c.Quota)})
	if err != nil {
		return err
	}
	return e.print(d, func(w io.Writer) {
		fmt.Fprintf(w, "accounts of %s: %s\n", d.Name, orNone(int64(d.MaxAccounts), atMost))
		fmt.Fprintf(w, "quota of each: %s\n", orNone(d.MaxQuota, bytesText))
	})
}
