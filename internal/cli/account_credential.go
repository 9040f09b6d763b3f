package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/fault"
)

type accountApp struct {
	Add    accountAppAdd    `cmd:"" help:"Make an app password and show it, this one time."`
	List   accountAppList   `cmd:"" help:"List an account's app passwords."`
	Remove accountAppRemove `cmd:"" help:"End an app password."`
}

type accountAppAdd struct {
	Address string   `arg:"" help:"The account's address."`
	Name    string   `arg:"" help:"What its owner calls it: phone."`
	For     []string `help:"What it is for: imap, pop3, smtp, sieve; without it, all of them." placeholder:"PROTOCOL"`
	Expires *moment  `help:"When it ends: 90d, or 2027-01-31." placeholder:"WHEN"`
	Shared  bool     `help:"Keep it so that it can be read again, sealed, for CRAM-MD5 and APOP."`
}

func (c *accountAppAdd) Run(e *environment) error {
	request := admin.AppPassword{Address: c.Address, Name: c.Name, Scope: c.For, Shared: c.Shared}
	if c.Expires != nil {
		request.Expires = time.Time(*c.Expires)
	}
	app, err := call(e, admin.AddApp, request)
	if err != nil {
		return err
	}
	return e.print(app, func(w io.Writer) {
		fmt.Fprintln(w, app.Password)
		fmt.Fprintf(w, "This is the app password %q of %s. It is shown once; hyphens and capitals do not matter.\n", app.Name, app.Address)
	})
}

type accountAppList struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *accountAppList) Run(e *environment) error {
	apps, err := call(e, admin.ListApps, admin.Name{Name: c.Address})
	if err != nil {
		return err
	}
	return e.print(apps, func(w io.Writer) {
		rows := [][]string{{"NAME", "FOR", "SINCE", "EXPIRES", "LAST USED"}}
		for _, a := range apps {
			what := or(strings.Join(a.Scope, " "), "all mail")
			if a.Shared {
				what += ", CRAM-MD5"
			}
			rows = append(rows, []string{a.Name, what, a.Created.Format(time.DateOnly), lastDay(a.Expires), day(a.Used)})
		}
		table(w, rows)
	})
}

// day writes a day that may never come.
func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.DateOnly)
}

// lastDay is the last day before something ends.
func lastDay(end time.Time) string {
	if end.IsZero() {
		return "never"
	}
	return day(end.Add(-time.Nanosecond))
}

type accountAppRemove struct {
	Address string `arg:"" help:"The account's address."`
	Name    string `arg:"" help:"The name of the app password."`
}

func (c *accountAppRemove) Run(e *environment) error {
	if _, err := call(e, admin.RemoveApp, admin.AppPassword{Address: c.Address, Name: c.Name}); err != nil {
		return err
	}
	return e.done("removed", c.Name, "removed the app password %q of %s", c.Name, c.Address)
}

// moment is a time to come.
type moment time.Time

// UnmarshalText reads days from now, or a date, which counts to its end.
func (m *moment) UnmarshalText(text []byte) error {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil && n > 0 {
			*m = moment(time.Now().UTC().AddDate(0, 0, int(n)))
			return nil
		}
	}
	date, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fault.New(fault.Invalid, "%q is no time; want days from now, 90d, or a date, 2027-01-31", text)
	}
	*m = moment(date.AddDate(0, 0, 1))
	return nil
}

type accountShared struct {
	Address string `arg:"" help:"The account's address."`
	Off     bool   `help:"Keep it no more."`
	passwordFile
}

// Help is shown below the summary.
func (c *accountShared) Help() string {
	return "CRAM-MD5 and APOP need the password itself. It lies sealed in the store; the key is the file data/secrets.key. " +
		"Better is an app password with --shared, which is good for one program."
}

func (c *accountShared) Run(e *environment) error {
	request := admin.Credentials{Address: c.Address}
	if !c.Off {
		var err error
		if request.Password, err = c.password(e, c.Address); err != nil {
			return err
		}
	}
	if _, err := call(e, admin.ShareSecret, request); err != nil {
		return err
	}
	if c.Off {
		return e.done("unshared", c.Address, "%s cannot log in with CRAM-MD5 and APOP any more", c.Address)
	}
	return e.done("shared", c.Address, "%s can log in with CRAM-MD5 and APOP", c.Address)
}

type accountForgetSecrets struct{}

func (c *accountForgetSecrets) Run(e *environment) error {
	if _, err := call(e, admin.ForgetSecrets, admin.Nothing{}); err != nil {
		return err
	}
	return e.done("forgot", "secrets", "forgot the secrets that were sealed with the key that is lost; passwords and app passwords work as before")
}
