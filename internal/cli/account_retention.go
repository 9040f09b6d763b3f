package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"posthorn/internal/admin"
	"posthorn/internal/fault"
)

type accountRetention struct {
	Address string   `arg:"" help:"The account's address."`
	After   []string `help:"Delete messages that have been in a mailbox for so long: Trash=30d; may be given several times. Others are kept." placeholder:"MAILBOX=DAYS"`
	None    bool     `help:"Delete nothing any more."`
}

// Help is shown below the summary.
func (c *accountRetention) Help() string {
	return "Without flags it shows what is set. Trash and Junk mean those mailboxes whatever they are called. " +
		"Flagged messages stay, and what was deleted can be brought back for 30 days."
}

func (c *accountRetention) Run(e *environment) error {
	request := admin.Retention{Address: c.Address}
	if c.None || len(c.After) > 0 {
		request.Days = map[string]int{}
	}
	for _, text := range c.After {
		mailbox, days, _ := strings.Cut(text, "=")
		n, err := strconv.Atoi(strings.TrimSuffix(days, "d"))
		if mailbox == "" || err != nil || n < 1 || c.None {
			return fault.New(fault.Invalid, "--after %q is not understood; want MAILBOX=DAYS, such as Trash=30d, and no --none", text)
		}
		request.Days[mailbox] = n
	}
	set, err := call(e, admin.SetRetention, request)
	if err != nil {
		return err
	}
	return e.print(set, func(w io.Writer) {
		if len(set.Days) == 0 {
			fmt.Fprintf(w, "%s: nothing is deleted\n", set.Address)
			return
		}
		rows := [][]string{{"MAILBOX", "DELETED AFTER"}}
		for _, mailbox := range slices.Sorted(maps.Keys(set.Days)) {
			rows = append(rows, []string{mailbox, count(set.Days[mailbox], "day", "days")})
		}
		table(w, rows)
	})
}
