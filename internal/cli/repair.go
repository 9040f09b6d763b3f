package cli

import (
	"fmt"
	"io"

	"posthorn/internal/admin"
)

type repairCommand struct{}

// Help is shown below the summary.
func (c *repairCommand) Help() string {
	return "Counts anew what is counted; makes the index of mailboxes' names anew, damaged records of messages from their bodies, and mailboxes " +
		"that cannot be read from what is left of them: messages keep their UIDs, and where flags are lost it says so. It deletes no " +
		"message; damaged bodies stay as they are. Then it verifies everything and tells what is still wrong. The search index is " +
		"another command's: posthorn index rebuild."
}

func (c *repairCommand) Run(e *environment) error {
	r, err := call(e, admin.Repair, admin.Nothing{})
	if err != nil {
		return err
	}
	err = e.print(r, func(w io.Writer) {
		for _, mended := range r.Mended {
			fmt.Fprintln(w, "mended:", mended)
		}
		printVerified(w, &r.Verified)
	})
	if err == nil && len(r.Problems) > 0 {
		return told(exitDamaged)
	}
	return err
}
