package cli

import (
	"fmt"
	"io"

	"posthorn/internal/admin"
)

type indexCommand struct {
	Rebuild indexRebuild `cmd:"" help:"Drop the index and let the server make it again. Searches go on, slower meanwhile."`
}

type indexRebuild struct {
	Address string `arg:"" optional:"" help:"The account. Without it: all that have an index."`
}

func (c *indexRebuild) Run(e *environment) error {
	r, err := call(e, admin.RebuildIndex, admin.Name{Name: c.Address})
	if err != nil {
		return err
	}
	return e.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "The server makes the index of %s anew, in the background.\n", count(r.Accounts, "account", "accounts"))
	})
}
