package cli

import (
	"fmt"
	"io"
	"strings"

	"posthorn/internal/admin"
)

type aliasCommand struct {
	Add    aliasAdd    `cmd:"" help:"Make an alias, or a group: an alias with several targets."`
	List   aliasList   `cmd:"" help:"List all aliases."`
	Delete aliasDelete `cmd:"" help:"Delete an alias."`
}

type aliasAdd struct {
	Address string   `arg:"" help:"The alias, sales@example.test."`
	Targets []string `arg:"" name:"target" help:"Where its mail goes: accounts, aliases, or addresses on other servers."`
	Senders string   `help:"Who may write to it: anyone, its members, or everybody in its domain. Who is here must be logged in." enum:"anyone,members,domain" default:"anyone"`
}

func (c *aliasAdd) Run(e *environment) error {
	request := admin.Alias{Address: c.Address, Targets: c.Targets}
	if c.Senders != "anyone" {
		request.Senders = c.Senders
	}
	alias, err := call(e, admin.AddAlias, request)
	if err != nil {
		return err
	}
	return e.print(alias, func(w io.Writer) { fmt.Fprintln(w, "added", alias.Address, "->", strings.Join(alias.Targets, ", ")) })
}

type aliasList struct{}

func (c *aliasList) Run(e *environment) error {
	aliases, err := call(e, admin.ListAliases, admin.Nothing{})
	if err != nil {
		return err
	}
	return e.print(aliases, func(w io.Writer) {
		rows := [][]string{{"ALIAS", "SENDERS", "TARGETS"}}
		for _, a := range aliases {
			rows = append(rows, []string{a.Address, or(a.Senders, "anyone"), strings.Join(a.Targets, ", ")})
		}
		table(w, rows)
	})
}

type aliasDelete struct {
	Address string `arg:"" help:"The alias."`
}

func (c *aliasDelete) Run(e *environment) error {
	if _, err := call(e, admin.DeleteAlias, admin.Name{Name: c.Address}); err != nil {
		return err
	}
	return e.done("deleted", c.Address, "deleted %s", c.Address)
}
