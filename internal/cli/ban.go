package cli

import (
	"fmt"
	"io"
	"time"

	"posthorn/internal/admin"
)

type banCommand struct {
	List   banList   `cmd:"" help:"Networks that are refused now, why, and until when."`
	Add    banAdd    `cmd:"" help:"Refuse a network for a time."`
	Remove banRemove `cmd:"" help:"Let a network in again."`
}

type banList struct{}

func (c *banList) Run(e *environment) error {
	all, err := call(e, admin.ListBans, admin.Nothing{})
	if err != nil {
		return err
	}
	return e.print(all, func(w io.Writer) {
		if len(all) == 0 {
			fmt.Fprintln(w, "No network is banned.")
			return
		}
		rows := [][]string{{"NETWORK", "UNTIL", "BY", "REASON"}}
		for _, b := range all {
			by := "operator"
			if b.Times > 0 {
				by = count(b.Times, "time", "times")
			}
			rows = append(rows, []string{b.Network, dayText(b.Until), by, b.Reason})
		}
		table(w, rows)
	})
}

type banAdd struct {
	Network string        `arg:"" help:"An address (of IPv6: its /64) or a network like 192.0.2.0/24."`
	For     time.Duration `help:"How long: 90m, 24h, 720h." default:"24h"`
	Reason  string        `help:"Why; those who are refused are told."`
}

func (c *banAdd) Run(e *environment) error {
	ban := admin.Ban{Network: c.Network, Reason: c.Reason, Until: time.Now().Add(c.For).Truncate(time.Second)}
	if _, err := call(e, admin.AddBan, ban); err != nil {
		return err
	}
	return e.print(ban, func(w io.Writer) {
		fmt.Fprintf(w, "%s is refused until %s. Connections that are open go on.\n", c.Network, dayText(ban.Until))
	})
}

type banRemove struct {
	Network string `arg:"" help:"The network, as posthorn ban list writes it."`
}

func (c *banRemove) Run(e *environment) error {
	if _, err := call(e, admin.RemoveBan, admin.Name{Name: c.Network}); err != nil {
		return err
	}
	return e.print(admin.Name{Name: c.Network}, func(w io.Writer) { fmt.Fprintf(w, "%s is let in again.\n", c.Network) })
}
