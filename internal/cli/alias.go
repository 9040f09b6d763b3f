package cli

import (
	"fmt"
	"io"
	"strings"

	"posthorn/internal/admin"
)

type aliasCommand struct {
	Add    aliasAdd    `cmd:"" help:"Make an alias."`
	List   aliasList   `cmd:"" help:"List all aliases."`
	Delete aliasDelete `cmd:"" help:"Delete an alias."`
}

type aliasAdd struct {
	Address string   `arg:"" help:"The alias, sales@example.test."`
	Targets []string `arg:"" name:"target" help:"Accounts or aliases that its mail goes to."`
}

func (c *aliasAdd) Run(e *environment) error {
	alias, err := call(e, admin.AddAlias, admin.Alias{Address: c.Address, Targets: c.Targets})
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
		rows := [][]string{{"ALIAS", "TARGETS"}}
		for _, a := range aliases {
			rows = append(rows, []string{a.Address, strings.Join(a.Targets, ", ")})
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
