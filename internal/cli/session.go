package cli

import (
	"fmt"
	"io"

	"posthorn/internal/admin"
)

type sessionCommand struct {
	List sessionList `cmd:"" help:"Who is logged in now, from where, since when, and by what."`
	End  sessionEnd  `cmd:"" help:"Sign an account out everywhere, or end one session."`
}

type sessionList struct {
	Address string `arg:"" optional:"" help:"The account. Without it: all of this server."`
}

func (c *sessionList) Run(e *environment) error {
	all, err := call(e, admin.ListSessions, admin.Name{Name: c.Address})
	if err != nil {
		return err
	}
	return e.print(all, func(w io.Writer) {
		switch {
		case len(all) == 0 && c.Address != "":
			fmt.Fprintf(w, "%s is not logged in on this server.\n", c.Address)
			return
		case len(all) == 0:
			fmt.Fprintln(w, "Nobody is logged in on this server.")
			return
		}
		rows := [][]string{{"SESSION", "ACCOUNT", "PROTOCOL", "FROM", "SINCE", "TLS", "BY", "PROGRAM"}}
		for _, s := range all {
			by := s.Mechanism
			if s.AppPassword != "" {
				by = fmt.Sprintf("%s, app password %s", by, s.AppPassword)
			}
			rows = append(rows, []string{
				s.ID, s.User, s.Protocol, s.Remote, dayText(s.Since), or(s.TLS, "no"), by, or(clean(s.Client), "-"),
			})
		}
		table(w, rows)
	})
}

type sessionEnd struct {
	Address string `arg:"" optional:"" help:"The account, all of whose sessions end, on all servers."`
	ID      string `name:"id" placeholder:"SESSION" help:"One session, as posthorn session list calls it."`
}

func (c *sessionEnd) Run(e *environment) error {
	ended, err := call(e, admin.EndSessions, admin.SessionEnd{Address: c.Address, ID: c.ID})
	if err != nil {
		return err
	}
	return e.print(ended, func(w io.Writer) {
		switch {
		case c.ID != "" && ended.Here == 0:
			fmt.Fprintf(w, "There is no session %s on this server; if another one has it, it ends.\n", c.ID)
		case c.ID != "":
			fmt.Fprintf(w, "Session %s ends.\n", c.ID)
		default:
			fmt.Fprintf(w, "%s is signed out: %s here. Its programs log in again by themselves,\nunless its password changes (posthorn account passwd) or it may not (posthorn account state).\n",
				c.Address, count(ended.Here, "session", "sessions"))
		}
	})
}
