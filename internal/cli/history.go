package cli

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"posthorn/internal/admin"
	"posthorn/internal/fault"
	"posthorn/internal/obs"
)

type historyCommand struct {
	What  string `arg:"" name:"what" help:"A Message-ID, an address, a domain, an IP address, or a message's id."`
	Since age    `help:"Only what happened within this time: 30m, 4h, 2d." placeholder:"TIME"`
	Limit int    `help:"Show at most so many messages, the latest ones." placeholder:"N" default:"20"`
}

// Help is shown below the summary.
func (c *historyCommand) Help() string {
	return "Shows what happened to messages: who handed them in, why they were refused, where they are, and what other servers " +
		"said, in their words. A message's id is in the log, in its Received line and in the reply that accepted it."
}

func (c *historyCommand) Run(e *environment) error {
	answer, err := call(e, admin.SearchHistory, admin.HistoryQuery{
		What: c.What, Limit: max(1, c.Limit), SinceSeconds: int64(time.Duration(c.Since) / time.Second),
	})
	if err != nil {
		return err
	}
	if len(answer.Messages) == 0 {
		return fault.New(fault.NotFound, "nothing is known of %s: %s", c.What, c.searched(&answer))
	}
	return e.print(answer, func(w io.Writer) {
		for i, m := range answer.Messages {
			if i > 0 {
				fmt.Fprintln(w)
			}
			printLife(w, m)
		}
		if answer.More {
			fmt.Fprintln(w, "\nthere are older ones; --limit shows more")
		}
	})
}

// searched says where something was looked for in vain.
func (c *historyCommand) searched(answer *admin.HistoryAnswer) string {
	switch {
	case answer.Days == 0:
		return "no history is kept ([history] days = 0)"
	case answer.Kept == nil:
		return "the history is empty"
	case c.Since > 0:
		since := time.Now().Add(-time.Duration(c.Since))
		return fmt.Sprintf("looked back to %s; the history goes back to %s", timeText(&since), answer.Kept.Format(time.DateOnly))
	}
	return fmt.Sprintf("the history goes back to %s ([history] days = %d)", answer.Kept.Format(time.DateOnly), answer.Days)
}

// printLife writes one message, or one connection without any: what it is, and below it
// a line for each event.
func printLife(w io.Writer, m admin.MessageHistory) {
	head := []string{or(m.ID, "no message, connection "+m.Events[0].Conn)}
	for _, e := range m.Events {
		if e.MessageID != "" && e.ID == m.ID {
			head = append(head, clean(e.MessageID))
			break
		}
	}
	if m.ID != "" {
		head = append(head, "from "+or(clean(m.Events[0].From), "<>"))
	}
	fmt.Fprintln(w, strings.Join(head, "  "))
	for _, e := range m.Events {
		text := sentence(&e)
		if e.ID != m.ID {
			text = e.ID + ": " + text
		}
		fmt.Fprintf(w, "  %s  %s\n", timeText(&e.Time), text)
	}
}

// sentence says what happened in words.
func sentence(e *admin.HistoryEvent) string {
	to := recipients(e)
	switch obs.EventKindNamed(e.Kind) {
	case obs.ConnectionRefused:
		return "connection" + origin(e) + " refused" + why(e)
	case obs.HelloRefused:
		return "greeting" + origin(e) + " refused" + why(e)
	case obs.AuthFailed:
		return "login as " + or(clean(e.User), "nobody") + origin(e) + " failed" + why(e)
	case obs.SenderRefused:
		return "sender " + or(clean(e.From), "<>") + origin(e) + " refused" + why(e)
	case obs.RecipientRefused:
		return "recipient " + to + origin(e) + " refused" + why(e)
	case obs.MessageRefused:
		return "message of " + bytesText(e.Size) + origin(e) + " refused" + why(e)
	case obs.RecipientFailed:
		return "not taken for " + to + why(e)
	case obs.BrokenOff:
		return "broken off after " + bytesText(e.Size) + origin(e) + why(e)
	case obs.Accepted:
		return "accepted" + origin(e) + ", " + bytesText(e.Size) + ", for " + to
	case obs.Delivered, obs.Deferred, obs.Failed, obs.Expired:
		return to + ": " + attempt(e)
	case obs.Forwarded:
		text := "passed on by " + clean(e.User) + " to " + to
		if e.Related != "" {
			text += ", as " + e.Related
		}
		return text
	case obs.Notified:
		return notification(e, to)
	case obs.Rerouted:
		return e.Kind + ": " + to + ", to " + or(clean(e.Destination), "the servers of its domain")
	}
	return e.Kind + ": " + to + why(e) // by the operator; or what only a newer server knows
}

// attempt says what became of an attempt, or of all of them.
func attempt(e *admin.HistoryEvent) string {
	by := or(clean(e.Remote), "this server")
	switch obs.EventKindNamed(e.Kind) {
	case obs.Deferred:
		return fmt.Sprintf("put off by %s%s; attempt %d, the next one %s", by, why(e), e.Attempts, timeText(e.Next))
	case obs.Failed:
		return "refused by " + by + why(e)
	case obs.Expired:
		return "given up after " + count(e.Attempts, "attempt", "attempts") + ", the last word by " + by + why(e)
	}
	if e.Mailbox && e.Remote == "" {
		return "in the mailbox"
	}
	return "taken by " + by + why(e)
}

// notification says what the sender was told.
func notification(e *admin.HistoryEvent, to string) string {
	told := map[string]string{
		"failed": "that it cannot be delivered to ", "delayed": "that it is delayed for ",
		"relayed": "that it was handed on for ", "delivered": "that it was delivered to ",
		"expanded": "that it went to all behind ",
	}[e.Action]
	where := "queued"
	if e.Mailbox {
		where = "in the mailbox"
	}
	return clean(e.From) + " is told " + told + to + ", by notification " + e.Related + " (" + where + ")"
}

// origin says where something came from.
func origin(e *admin.HistoryEvent) string {
	text := ""
	if e.IP != "" {
		text = " from " + strings.TrimSpace(clean(e.Hello)+" ["+e.IP+"]")
	}
	if e.User != "" && e.Kind != obs.AuthFailed.String() {
		text += " by " + clean(e.User)
	}
	if e.Protocol != "" {
		text += " over " + e.Protocol
		if e.TLS != "" {
			text += ", " + e.TLS
		}
	}
	return text
}

// why gives the exact words, and the rule behind them.
func why(e *admin.HistoryEvent) string {
	text := ""
	if e.Reply != "" {
		text += ": " + clean(e.Reply)
	}
	if e.Error != "" {
		text += ": " + clean(e.Error)
	}
	if e.Rule != "" {
		text += " (rule " + e.Rule + ")"
	}
	return text
}

// mostNamed is how many recipients are named in one line.
const mostNamed = 10

// recipients names those that an event is about, and says where they have the message.
func recipients(e *admin.HistoryEvent) string {
	var names []string
	for i, to := range e.To {
		if i == mostNamed {
			names = append(names, count(len(e.To)-i, "other", "others"))
			break
		}
		names = append(names, clean(to.Address)+place(&to))
	}
	return strings.Join(names, ", ")
}

// place says where a recipient has the message.
func place(to *admin.HistoryRecipient) string {
	var where []string
	switch accounts := strings.Join(to.Accounts, ", "); {
	case len(to.Accounts) == 0:
	case strings.EqualFold(accounts, to.Address):
		where = append(where, "in the mailbox")
	default:
		where = append(where, "in the mailbox of "+accounts)
	}
	if to.Queued {
		where = append(where, "queued")
	}
	if len(where) == 0 {
		return ""
	}
	return " (" + strings.Join(where, ", and ") + ")"
}

// clean makes one line of what others have written, with nothing in it that could
// drive a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, strings.TrimSpace(text))
}
