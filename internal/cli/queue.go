package cli

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/fault"
)

type queueCommand struct {
	List    queueList    `cmd:"" help:"List what is still to be delivered."`
	Show    queueShow    `cmd:"" help:"Show a message with all of its recipients."`
	Retry   queueRetry   `cmd:"" help:"Try at once."`
	Hold    queueHold    `cmd:"" help:"Try no more, until it is released."`
	Release queueRelease `cmd:"" help:"Go on with what is on hold, at once."`
	Reroute queueReroute `cmd:"" help:"Send to other servers than those of the domain, at once."`
	Bounce  queueBounce  `cmd:"" help:"Give up, and tell the sender."`
	Delete  queueDelete  `cmd:"" help:"Take out, and tell nobody."`
}

// queueFilter are the flags that pick messages and recipients.
type queueFilter struct {
	Sender    string `help:"Only from this sender: a part of the address, or <> for notifications." placeholder:"TEXT"`
	Recipient string `help:"Only for this recipient: a part of the address." placeholder:"TEXT"`
	Domain    string `help:"Only for this domain." placeholder:"NAME"`
	Older     age    `help:"Only what has been queued for longer than this: 30m, 4h, 2d." placeholder:"TIME"`
	Newer     age    `help:"Only what has been queued for less than this." placeholder:"TIME"`
	Error     string `help:"Only where the last reply has this text." placeholder:"TEXT"`
	Remote    string `help:"Only where the last reply is from this host or address." placeholder:"TEXT"`
	Held      bool   `help:"Only what is on hold."`
	Untried   bool   `help:"Only what was never tried."`
}

func (f *queueFilter) filter() admin.QueueFilter {
	return admin.QueueFilter{
		Sender: f.Sender, Recipient: f.Recipient, Domain: f.Domain, Error: f.Error, Remote: f.Remote, Held: f.Held, Untried: f.Untried,
		OlderSeconds: int64(time.Duration(f.Older) / time.Second), NewerSeconds: int64(time.Duration(f.Newer) / time.Second),
	}
}

// age is a time with a unit, days among them.
type age time.Duration

// UnmarshalText reads what was written behind the flag.
func (a *age) UnmarshalText(text []byte) error {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			*a = age(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a time; want a number with a unit: 30m, 4h or 2d", text)
	}
	*a = age(d)
	return nil
}

type queueList struct {
	queueFilter
	Limit int `help:"List at most so many messages; 0 lists all." placeholder:"N" default:"1000"`
}

func (c *queueList) Run(e *environment) error {
	filter := c.filter()
	filter.Limit = c.Limit
	list, err := call(e, admin.ListQueue, filter)
	if err != nil {
		return err
	}
	return e.print(list, func(w io.Writer) {
		rows := [][]string{{"ID", "SINCE", "FROM", "TO", "TRIES", "NEXT", "LAST REPLY"}}
		for _, m := range list.Messages {
			for _, r := range m.Recipients {
				rows = append(rows, []string{
					m.ID, timeText(&m.Created), or(m.From, "<>"), r.Address, thousands(int64(r.Attempts)), next(r), firstWords(r.Reply),
				})
			}
		}
		table(w, rows)
		switch {
		case list.More:
			fmt.Fprintln(w, "there are more; --limit 0 lists all")
		case len(list.Messages) == 0 && len(list.Damaged) == 0:
			fmt.Fprintln(w, "nothing is queued")
		}
		for _, d := range list.Damaged {
			fmt.Fprintf(w, "%s cannot be read, and stays until it is deleted: %s\n", d.ID, d.Error)
		}
	})
}

// next is when a recipient is tried again, or why not.
func next(r admin.QueuedRecipient) string {
	switch {
	case r.Held:
		return "on hold"
	case r.Next == nil:
		return "-"
	case r.Attempts == 0 && !r.Next.After(time.Now()):
		return "now"
	}
	return timeText(r.Next)
}

func timeText(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05 MST")
}

// firstWords is a reply as far as it fits into a table.
func firstWords(reply string) string {
	const most = 60
	words := []rune(strings.Join(strings.Fields(reply), " "))
	if len(words) > most {
		return string(words[:most-1]) + "…"
	}
	return or(string(words), "-")
}

type queueShow struct {
	ID string `arg:"" name:"id" help:"The message's id, as list and the log have it."`
}

func (c *queueShow) Run(e *environment) error {
	m, err := call(e, admin.ShowQueue, admin.Name{Name: c.ID})
	if err != nil {
		return err
	}
	return e.print(m, func(w io.Writer) {
		table(w, [][]string{
			{"id", m.ID},
			{"since", timeText(&m.Created)},
			{"from", or(m.From, "<>")},
			{"size", bytesText(m.Size)},
			{"priority", strconv.Itoa(m.Priority)},
		})
		for _, r := range m.Recipients {
			fmt.Fprintln(w)
			rows := [][]string{{"to", r.Address}, {"state", r.State}, {"tries", thousands(int64(r.Attempts))}}
			if r.State == "pending" {
				rows = append(rows, []string{"next", next(r)})
			}
			if r.Last != nil {
				rows = append(rows, []string{"last", timeText(r.Last)})
			}
			if r.Reply != "" {
				rows = append(rows, []string{"by", or(r.Remote, "this server")}, []string{"reply", r.Reply})
			}
			if r.Route != "" {
				rows = append(rows, []string{"route", r.Route})
			}
			table(w, rows)
		}
	})
}

// queueOrder are the arguments that all commands have which change something.
type queueOrder struct {
	IDs []string `arg:"" optional:"" name:"id" help:"Messages, by their ids."`
	queueFilter
	All    bool `help:"Everything that is queued."`
	DryRun bool `help:"Change nothing, only say what would be changed."`
}

// operate carries an operation out and says in the words of done what it did.
func (c *queueOrder) operate(e *environment, order admin.QueueOrder, done string) error {
	order.Filter, order.DryRun = c.filter(), c.DryRun
	if order.Filter.IDs = c.IDs; c.queueFilter == (queueFilter{}) && len(c.IDs) == 0 && !c.All {
		return fault.New(fault.Invalid, "which messages? Give their ids, or flags that pick them, or --all")
	}
	affected, err := call(e, admin.OperateQueue, order)
	if err != nil {
		return err
	}
	err = e.print(affected, func(w io.Writer) {
		what := count(len(affected.Messages), "message", "messages") + ", " + count(affected.Recipients, "recipient", "recipients")
		if affected.DryRun {
			for _, id := range affected.Messages {
				fmt.Fprintln(w, id)
			}
			done = "would be " + done
		}
		fmt.Fprintln(w, what, done)
	})
	return errors.Join(err, leftOut(affected))
}

// leftOut is the error that not all messages which were named could be dealt with.
func leftOut(a admin.QueueAffected) error {
	var all []error
	if n := len(a.Missing); n > 0 {
		all = append(all, fault.New(fault.NotFound, "%s not queued: %s", count(n, "message is", "messages are"), strings.Join(a.Missing, " ")))
	}
	if n := len(a.Damaged); n > 0 {
		all = append(all, fault.New(fault.Corrupt, "%s, which can only be deleted: %s", count(n, "message cannot be read", "messages cannot be read"), strings.Join(a.Damaged, " ")))
	}
	return errors.Join(all...)
}

type queueRetry struct{ queueOrder }

func (c *queueRetry) Run(e *environment) error {
	return c.operate(e, admin.QueueOrder{Operation: "retry"}, "tried again")
}

type queueHold struct{ queueOrder }

func (c *queueHold) Run(e *environment) error {
	return c.operate(e, admin.QueueOrder{Operation: "hold"}, "put on hold")
}

type queueRelease struct{ queueOrder }

func (c *queueRelease) Run(e *environment) error {
	return c.operate(e, admin.QueueOrder{Operation: "release"}, "released")
}

type queueReroute struct {
	queueOrder
	To   string `help:"Where to: a domain, whose servers DNS names; a host with its port; or the name of a route in the configuration." placeholder:"DOMAIN|HOST:PORT|ROUTE" xor:"where" required:""`
	Back bool   `help:"Back to the servers of each recipient's own domain." xor:"where" required:""`
}

func (c *queueReroute) Run(e *environment) error {
	if c.Back {
		return c.operate(e, admin.QueueOrder{Operation: "reroute"}, "sent to the servers of their domain again")
	}
	return c.operate(e, admin.QueueOrder{Operation: "reroute", Route: c.To}, "rerouted to "+c.To)
}

type queueBounce struct {
	queueOrder
	Reason string `help:"What the sender reads as the reason." placeholder:"TEXT"`
}

func (c *queueBounce) Run(e *environment) error {
	return c.operate(e, admin.QueueOrder{Operation: "bounce", Reason: c.Reason}, "given up")
}

type queueDelete struct{ queueOrder }

func (c *queueDelete) Run(e *environment) error {
	return c.operate(e, admin.QueueOrder{Operation: "delete"}, "deleted")
}
