package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"posthorn/internal/admin"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
)

type accountPOP3 struct {
	Address string  `arg:"" help:"The account's address."`
	Folder  *string `help:"The mailbox that POP3 clients see, instead of INBOX." placeholder:"NAME"`
	Show    *string `help:"Which messages they see: all, or only the unread ones." enum:"all,unread" placeholder:"all|unread"`
	Mark    *string `help:"What becomes of a message that was fetched: read, or left as it is." enum:"read,nothing" placeholder:"read|nothing"`
	Delete  *string `help:"Where messages go that a client deletes: away, or to the mailbox Trash." enum:"away,trash" placeholder:"away|trash"`
	Expire  *expiry `help:"When mail is deleted that was fetched and left on the server: 30d, never, or as the server has it for all (server)." placeholder:"DAYS"`
}

// Help is shown below the summary.
func (c *accountPOP3) Help() string {
	return "Without flags it shows what is set. Changes count from the next login."
}

func (c *accountPOP3) Run(e *environment) error {
	settings, err := call(e, admin.SetPOP3, admin.POP3Settings{
		Address: c.Address, Folder: c.Folder, Expire: (*int)(c.Expire),
		Unread: isWord(c.Show, "unread"), Mark: isWord(c.Mark, "read"), Trash: isWord(c.Delete, "trash"),
	})
	if err != nil {
		return err
	}
	return e.print(settings, func(w io.Writer) {
		table(w, [][]string{
			{"address", settings.Address},
			{"folder", or(*settings.Folder, "INBOX")},
			{"show", oneWord(*settings.Unread, "unread", "all")},
			{"mark", oneWord(*settings.Mark, "read", "nothing")},
			{"delete", oneWord(*settings.Trash, "trash", "away")},
			{"expire", expiry(*settings.Expire).String()},
		})
	})
}

// isWord says whether a flag that was given has this word.
func isWord(flag *string, word string) *bool {
	if flag == nil {
		return nil
	}
	is := *flag == word
	return &is
}

func oneWord(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// expiry is a number of days; 0: as the server has it; directory.Never.
type expiry int

const likeServer = "server"

// String is what is written behind the flag.
func (x expiry) String() string {
	switch {
	case x == 0:
		return likeServer
	case x == directory.Never:
		return "never"
	}
	return fmt.Sprintf("%dd", int(x))
}

// UnmarshalText reads what was written behind the flag.
func (x *expiry) UnmarshalText(text []byte) error {
	switch days, err := strconv.Atoi(strings.TrimSuffix(string(text), "d")); {
	case string(text) == likeServer:
		*x = 0
	case string(text) == "never":
		*x = directory.Never
	case err != nil || days < 1:
		return fault.New(fault.Invalid, "%q is no time; want a number of days such as 30d, or never, or server", text)
	default:
		*x = expiry(days)
	}
	return nil
}
