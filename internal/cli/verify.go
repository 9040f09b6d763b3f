package cli

import (
	"fmt"
	"io"

	"posthorn/internal/admin"
)

type verifyCommand struct{}

func (c *verifyCommand) Run(e *environment) error {
	v, err := call(e, admin.Verify, admin.Nothing{})
	if err != nil {
		return err
	}
	err = e.print(v, func(w io.Writer) { printVerified(w, &v) })
	if err == nil && len(v.Problems) > 0 {
		return told(exitDamaged)
	}
	return err
}

// printVerified writes what is wrong, and what was looked at.
func printVerified(w io.Writer, v *admin.Verified) {
	for _, problem := range v.Problems {
		fmt.Fprintln(w, problem)
	}
	fmt.Fprintf(w, "%s, %s, %s: ", count(v.Accounts, "account", "accounts"),
		count(v.Mailboxes, "mailbox", "mailboxes"), count(v.Messages, "message", "messages"))
	if len(v.Problems) == 0 {
		fmt.Fprintln(w, "everything is as it should be")
	} else {
		fmt.Fprintln(w, count(len(v.Problems), "problem", "problems"))
	}
}
