package cli

import (
	"fmt"
	"io"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/fault"
)

type undeleteCommand struct {
	Address string `arg:"" help:"The account."`
	Mailbox string `help:"Only what was deleted from this mailbox." placeholder:"NAME"`
	Since   age    `help:"Only what was deleted within this time: 30m, 4h, 2d." placeholder:"TIME"`
	To      string `help:"Bring it back into this mailbox, not into the one where it was." placeholder:"NAME"`
	Restore bool   `help:"Do it. Without this, only what could be brought back is shown."`
}

// Help is shown below the summary.
func (c *undeleteCommand) Help() string {
	return "Deleted mail can be brought back for 30 days. It returns as new messages that have been read, to the mailbox where it " +
		"was; a mailbox that was deleted is made again. Times are those of the deletion."
}

func (c *undeleteCommand) Run(e *environment) error {
	found, err := call(e, admin.Undelete, admin.UndeleteOrder{
		Name: c.Address, Mailbox: c.Mailbox, SinceSeconds: int64(time.Duration(c.Since) / time.Second), To: c.To, Restore: c.Restore,
	})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fault.New(fault.NotFound, "of %s there is no deleted mail that could be brought back", c.Address)
	}
	return e.print(found, func(w io.Writer) {
		total, rows := 0, [][]string{{"DELETED", "FROM", "TO", "MESSAGES"}}
		for i := range found {
			d := &found[i]
			total += d.Messages
			rows = append(rows, []string{timeText(&d.When), clean(d.Mailbox), clean(d.To), thousands(int64(d.Messages))})
		}
		table(w, rows)
		if c.Restore {
			fmt.Fprintf(w, "%s brought back\n", count(total, "message was", "messages were"))
		} else {
			fmt.Fprintf(w, "%s; --restore brings them back\n", count(total, "message", "messages"))
		}
	})
}
