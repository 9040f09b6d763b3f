package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/audit"
	"posthorn/internal/fault"
)

type auditCommand struct {
	Who   string   `arg:"" optional:"" help:"An address, a domain, or the name of an operator."`
	What  []string `help:"Only login, failure, change or deletion; several with commas." enum:"login,failure,change,deletion" placeholder:"KIND"`
	IP    string   `name:"ip" help:"Only from this IP address." placeholder:"ADDRESS"`
	Since instant  `help:"Only from then on: 4h, 2d (ago), 2026-11-22, or 2026-11-22T15:04." placeholder:"TIME"`
	Until instant  `help:"Only before then." placeholder:"TIME"`
	Limit int      `help:"Show at most so many entries, the latest ones." placeholder:"N" default:"100"`
}

// Help is shown below the summary.
func (c *auditCommand) Help() string {
	return "Shows who logged in and who failed to, what operators changed, and what users deleted. " +
		"With --json it prints what the file of [audit] has."
}

func (c *auditCommand) Run(e *environment) error {
	return showAudit(e, admin.AuditQuery{
		Who: c.Who, IP: c.IP, What: c.What, Since: time.Time(c.Since), Until: time.Time(c.Until), Limit: max(1, c.Limit),
	})
}

type accountLogins struct {
	Address string  `arg:"" help:"The account's address."`
	Since   instant `help:"Only from then on: 4h, 2d (ago), 2026-11-22, or 2026-11-22T15:04." placeholder:"TIME"`
	Limit   int     `help:"Show at most so many, the latest ones." placeholder:"N" default:"20"`
}

func (c *accountLogins) Run(e *environment) error {
	return showAudit(e, admin.AuditQuery{
		Who: c.Address, What: []string{"login", "failure"}, Since: time.Time(c.Since), Limit: max(1, c.Limit),
	})
}

func showAudit(e *environment, q admin.AuditQuery) error {
	answer, err := call(e, admin.SearchAudit, q)
	if err != nil {
		return err
	}
	if len(answer.Entries) == 0 && !e.json {
		if answer.Days == 0 {
			return fault.New(fault.NotFound, "no audit trail is kept ([audit] days = 0)")
		}
		return fault.New(fault.NotFound, "there is no such entry; they are kept for %s ([audit] days)", count(answer.Days, "day", "days"))
	}
	return e.print(answer, func(w io.Writer) {
		for _, entry := range answer.Entries {
			fmt.Fprintf(w, "%s  %s\n", timeText(&entry.Time), auditText(&entry))
		}
		if answer.More {
			fmt.Fprintln(w, "\nthere are older ones; --limit shows more")
		}
	})
}

// auditText says an entry in words.
func auditText(entry *audit.Entry) string {
	var words []string
	add := func(before, text, after string) {
		if text != "" {
			words = append(words, before+clean(text)+after)
		}
	}
	add("", entry.By, "")
	add("", entry.Operation, "")
	add("", entry.User, "")
	if entry.By == "" {
		words = append(words, entry.Event)
	}
	add("", entry.Detail, "")
	if entry.Messages > 0 {
		words = append(words, count(entry.Messages, "message", "messages"))
	}
	add("in ", entry.Folder, "")
	add("from ", entry.IP, "")
	add("over ", entry.Protocol, "")
	add("", entry.TLS, "")
	add("by ", entry.Mechanism, "")
	add("with ", entry.Client, "")
	text := strings.Join(words, " ")
	if entry.Error != "" {
		text += ": " + clean(entry.Error)
	}
	return text
}

// instant is a point in time.
type instant time.Time

// UnmarshalText reads what was written behind the flag.
func (m *instant) UnmarshalText(text []byte) error {
	var ago age
	if ago.UnmarshalText(text) == nil {
		*m = instant(time.Now().Add(-time.Duration(ago)))
		return nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02 15:04", time.RFC3339} {
		if at, err := time.ParseInLocation(layout, string(text), time.Local); err == nil {
			*m = instant(at)
			return nil
		}
	}
	return fault.New(fault.Invalid, "%q is no time; want one like 4h or 2d (ago), 2026-11-22 or 2026-11-22T15:04", text)
}
