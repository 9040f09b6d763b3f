package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/fault"
)

type accountForward struct {
	Address string   `arg:"" help:"The account's address."`
	To      []string `help:"Where its mail goes, here or on another server; may be given several times." placeholder:"ADDRESS"`
	Keep    bool     `help:"Keep a copy in the mailbox as well."`
	None    bool     `help:"Forward nothing any more."`
}

func (c *accountForward) Run(e *environment) error {
	if c.None == (len(c.To) > 0) {
		return fault.New(fault.Invalid, "where to? Give --to ADDRESS, or --none")
	}
	a, err := call(e, admin.ForwardAccount, admin.Account{Address: c.Address, Forward: c.To, Keeps: c.Keep})
	if err != nil {
		return err
	}
	return e.print(a, func(w io.Writer) { fmt.Fprintf(w, "mail for %s goes to %s\n", a.Address, forwarding(a)) })
}

// forwarding says where an account's mail goes.
func forwarding(a admin.Account) string {
	if len(a.Forward) == 0 {
		return "its mailbox"
	}
	text := strings.Join(a.Forward, ", ")
	if a.Keeps {
		text += " and its mailbox"
	}
	return text
}

type accountSet struct {
	Address   string      `arg:"" help:"The account's address."`
	Language  *string     `help:"The language in which the server writes to its owner: en, zh-CN; empty: not known." placeholder:"TAG"`
	Quota     *sizeLimit  `help:"How much mail it may hold, such as 2GB; none: no limit." placeholder:"SIZE"`
	Messages  *countLimit `help:"How many messages it may hold; none: no limit." placeholder:"NUMBER"`
	Mailboxes *countLimit `help:"How many mailboxes it may have; none: no limit." placeholder:"NUMBER"`
	Metadata  *sizeLimit  `help:"How much metadata its mailboxes may have; none: no limit." placeholder:"SIZE"`
}

func (c *accountSet) Run(e *environment) error {
	if c.Language == nil && c.Quota == nil && c.Messages == nil && c.Mailboxes == nil && c.Metadata == nil {
		return fault.New(fault.Invalid, "what is to be set? There are: --language TAG, --quota SIZE, --messages NUMBER, --mailboxes NUMBER, --metadata SIZE")
	}
	a, err := call(e, admin.SetAccount, admin.AccountSettings{
		Address: c.Address, Language: c.Language,
		Quota: (*int64)(c.Quota), Messages: (*int64)(c.Messages), Mailboxes: (*int64)(c.Mailboxes), Metadata: (*int64)(c.Metadata),
	})
	if err != nil {
		return err
	}
	return e.print(a, func(w io.Writer) {
		if c.Language != nil {
			fmt.Fprintf(w, "language of %s: %s\n", a.Address, or(a.Language, "not known"))
		}
		if c.Quota != nil {
			fmt.Fprintf(w, "quota of %s: %s\n", a.Address, orNone(int64(*c.Quota), bytesText))
		}
		if c.Messages != nil {
			fmt.Fprintf(w, "messages of %s: %s\n", a.Address, orNone(int64(*c.Messages), atMost))
		}
		if c.Mailboxes != nil {
			fmt.Fprintf(w, "mailboxes of %s: %s\n", a.Address, orNone(int64(*c.Mailboxes), atMost))
		}
		if c.Metadata != nil {
			fmt.Fprintf(w, "metadata of %s: %s\n", a.Address, orNone(int64(*c.Metadata), bytesText))
		}
	})
}

// orNone writes a limit, of which 0 is none.
func orNone(n int64, text func(int64) string) string {
	if n == 0 {
		return "no limit"
	}
	return text(n)
}

func atMost(n int64) string { return "at most " + thousands(n) }

// noLimit is what people write for it.
const noLimit = "none"

// sizeLimit is a limit in bytes; 0: none.
type sizeLimit int64

// UnmarshalText reads what was written behind the flag.
func (l *sizeLimit) UnmarshalText(text []byte) error {
	n, ok := config.ParseSize(string(text))
	switch {
	case string(text) == noLimit:
		n = 0
	case !ok || n == 0:
		return fault.New(fault.Invalid, "%q is not a size; want a number with a unit, such as 2GB or 500MiB, or none", text)
	}
	*l = sizeLimit(n)
	return nil
}

// countLimit is a limit of how many there may be; 0: none.
type countLimit int64

// UnmarshalText reads what was written behind the flag.
func (l *countLimit) UnmarshalText(text []byte) error {
	if string(text) == noLimit {
		*l = 0
		return nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n <= 0 {
		return fault.New(fault.Invalid, "%q is not a number above 0, nor none", text)
	}
	*l = countLimit(n)
	return nil
}
