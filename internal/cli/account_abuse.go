package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/fault"
)

type accountRelease struct {
	Address string `arg:"" help:"The account's address."`
}

// Help is shown below the summary.
func (c *accountRelease) Help() string {
	return "What is on hold of this account is delivered, and what it did is forgotten: it is counted anew. " +
		"Countries that it was in are not new to it any more. If it was a thief: posthorn account secure."
}

func (c *accountRelease) Run(e *environment) error {
	done, err := call(e, admin.ReleaseAccount, admin.Name{Name: c.Address})
	if err != nil {
		return err
	}
	return e.print(done, func(w io.Writer) {
		fmt.Fprintf(w, "released %s: %s, %s\n", done.Address, count(done.Messages, "message", "messages"), count(done.Recipients, "recipient", "recipients"))
	})
}

// listHeld shows whose mail is held.
func listHeld(e *environment) error {
	held, err := call(e, admin.ListHeld, admin.Nothing{})
	if err != nil {
		return err
	}
	return e.print(held, func(w io.Writer) {
		if len(held) == 0 {
			fmt.Fprintln(w, "No account's mail is held.")
			return
		}
		rows := [][]string{{"ADDRESS", "SINCE", "WHY"}}
		for _, h := range held {
			rows = append(rows, []string{h.Address, timeText(&h.Since), h.Why})
		}
		table(w, rows)
	})
}

// sending says that what an account submits is held.
func sending(a admin.AccountDetails) string {
	if a.Held == nil {
		return ""
	}
	return "; its mail is held since " + timeText(&a.Held.Since) + ": " + a.Held.Why
}

type accountSecure struct {
	Address string `arg:"" help:"The account's address."`
	Since   age    `help:"List only what it has sent within this time: 30m, 4h, 2d." placeholder:"TIME" default:"7d"`
	Limit   int    `help:"List at most so many messages, the latest ones." placeholder:"N" default:"1000"`
	Yes     bool   `help:"Do it. Without this, only what would be done is shown."`
}

// Help is shown below the summary.
func (c *accountSecure) Help() string {
	return "Everybody who is logged in to the account is signed out; its app passwords are removed; nobody logs in, by whatever means, " +
		"until it has a new password (posthorn account passwd). All that it has submitted and is still queued is deleted. " +
		"What has left already is listed, from the history."
}

func (c *accountSecure) Run(e *environment) error {
	if c.Limit < 1 {
		return fault.New(fault.Invalid, "--limit %d lists nothing; want 1 or more", c.Limit)
	}
	done, err := call(e, admin.SecureAccount, admin.SecureOrder{
		Address: c.Address, SinceSeconds: int64(time.Duration(c.Since) / time.Second), Limit: c.Limit, DryRun: !c.Yes,
	})
	if err != nil {
		return err
	}
	return e.print(done, func(w io.Writer) {
		printSent(w, &done)
		would := ""
		if done.DryRun {
			would = " would be"
		}
		fmt.Fprintf(w, "From the queue%s deleted: %s, %s.\n", would,
			count(len(done.Queue.Messages), "message", "messages"), count(done.Queue.Recipients, "recipient", "recipients"))
		if len(done.Apps) > 0 {
			fmt.Fprintf(w, "App passwords%s removed: %s.\n", would, clean(strings.Join(done.Apps, ", ")))
		}
		if len(done.Forward) > 0 {
			fmt.Fprintf(w, "Its mail goes to %s: is that its owner's wish?\n", strings.Join(done.Forward, " "))
		}
		printNext(w, &done)
	})
}

// printSent lists what has left, with those first in a line who have it, or will.
func printSent(w io.Writer, done *admin.Secured) {
	if len(done.Sent) == 0 {
		if done.Days == 0 {
			fmt.Fprintln(w, "What it has sent is not known: no history is kept ([history] days = 0).")
		} else {
			fmt.Fprintf(w, "It has sent nothing that is known of; the history is kept for %s.\n", count(done.Days, "day", "days"))
		}
		return
	}
	recipients, rows := 0, [][]string{{"ID", "SENT", "AS", "FROM IP", "TO", "WHERE IT IS"}}
	for _, m := range done.Sent {
		recipients += len(m.To)
		for i, to := range m.To {
			if i == mostNamed {
				rows = append(rows, []string{m.ID, "", "", "", count(len(m.To)-i, "other", "others"), ""})
				break
			}
			where := to.State
			if to.Remote != "" {
				where += ", " + to.Remote
			}
			rows = append(rows, []string{m.ID, timeText(&m.Time), or(clean(m.From), "<>"), or(m.IP, "-"), clean(to.Address), clean(where)})
		}
	}
	table(w, rows)
	fmt.Fprintf(w, "It has sent %s to %s.", count(len(done.Sent), "message", "messages"), count(recipients, "recipient", "recipients"))
	if done.More {
		fmt.Fprint(w, " There are older ones; --limit lists more.")
	}
	fmt.Fprintln(w)
}

// printNext says what is to be done now.
func printNext(w io.Writer, done *admin.Secured) {
	if done.DryRun {
		fmt.Fprintln(w, "Nothing was changed. --yes does it, and signs everybody out.")
		return
	}
	fmt.Fprintln(w, "Everybody is signed out, and nobody logs in until there is a new password:")
	if done.Source == "" {
		fmt.Fprintf(w, "  posthorn account passwd %s\n", done.Address)
		return
	}
	fmt.Fprintf(w, "  change it in the directory %s, then: posthorn account enable %s\n", done.Source, done.Address)
}
