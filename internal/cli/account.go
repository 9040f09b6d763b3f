package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
)

type accountCommand struct {
	Add     accountAdd     `cmd:"" help:"Make an account."`
	Import  accountImport  `cmd:"" help:"Make many accounts from a file: CSV, or JSON as export writes it."`
	List    accountList    `cmd:"" help:"List all accounts."`
	Show    accountShow    `cmd:"" help:"Show an account and its mailboxes."`
	Passwd  accountPasswd  `cmd:"" help:"Change an account's password."`
	Disable accountDisable `cmd:"" help:"Close an account: no login, no mail. Nothing is lost."`
	Enable  accountEnable  `cmd:"" help:"Open an account again, whatever its state."`
	Forward accountForward `cmd:"" help:"Send an account's mail on to other addresses."`
	Set     accountSet     `cmd:"" help:"Change an account's settings."`
	Logins  accountLogins  `cmd:"" help:"Show who logged in to an account, and who failed to."`
	POP3    accountPOP3    `cmd:"" name:"pop3" help:"Show or change what POP3 clients see of an account."`
	Rename  accountRename  `cmd:"" help:"Give an account another address; its mail stays."`
	Export  accountExport  `cmd:"" help:"Write all accounts with the hashes of their passwords, as import and apply read them."`
	Delete  accountDelete  `cmd:"" help:"Delete an account. For 30 days it can be brought back, with its mail."`

	Undelete accountUndelete `cmd:"" help:"Bring an account back that was deleted."`

	Release accountRelease `cmd:"" help:"Let the mail of an account go that was held, since it looked like a thief's."`
	Secure  accountSecure  `cmd:"" help:"Take an account back from somebody who has its password."`

	Retention     accountRetention     `cmd:"" help:"Say after how many days messages in a mailbox are deleted."`
	State         accountState         `cmd:"" help:"Say what an account may do: log in, send, get mail."`
	Mechanisms    accountMechanisms    `cmd:"" help:"Say with which mechanisms an account cannot be logged in to."`
	AppPassword   accountApp           `cmd:"" help:"Passwords for single mail programs."`
	TOTP          accountTOTP          `cmd:"" name:"totp" help:"One-time codes for an account."`
	SharedSecret  accountShared        `cmd:"" help:"Keep an account's password sealed, for CRAM-MD5 and APOP."`
	ForgetSecrets accountForgetSecrets `cmd:"" help:"Give up what is sealed with a key that is lost: data/secrets.key."`
}

// passwordFile is the flag that says where a new password comes from.
type passwordFile struct {
	PasswordFile string `help:"Read the password from the first line of a file; - is standard input. Without it you are asked. It may also be a {SCHEME}hash of another server." placeholder:"FILE|-"`
}

type accountAdd struct {
	Address string `arg:"" help:"The account's address, alice@example.test. The domain must be there."`
	passwordFile
}

func (c *accountAdd) Run(e *environment) error {
	password, err := c.password(e, c.Address)
	if err != nil {
		return err
	}
	account, err := call(e, admin.AddAccount, admin.Credentials{Address: c.Address, Password: password})
	if err != nil {
		return err
	}
	return e.print(account, func(w io.Writer) { fmt.Fprintln(w, "added", account.Address) })
}

type accountImport struct {
	File string `arg:"" help:"File with lines of address,password, where a password may also be a {SCHEME}hash; or with JSON, as apply reads it. - is standard input."`
}

// Help is shown below the summary.
func (c *accountImport) Help() string {
	return "What is there already stays as it is. JSON brings domains and aliases, too."
}

func (c *accountImport) Run(e *environment) error {
	text, err := e.readAll(c.File)
	if err != nil {
		return err
	}
	if isJSON(c.File, text) {
		return e.apply(c.File, text, admin.RosterOrder{AddOnly: true})
	}
	accounts, err := readCSV(text)
	if err != nil {
		return fault.New(fault.KindOf(err), "%s: nothing was imported:\n%w", c.File, err)
	}
	done, err := call(e, admin.ImportAccounts, accounts)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	return e.print(done, func(w io.Writer) {
		fmt.Fprintln(w, "added", count(done.Added, "account", "accounts"))
		if done.Present > 0 {
			fmt.Fprintf(w, "%s there already, not changed\n", count(done.Present, "was", "were"))
		}
	})
}

func readCSV(text []byte) ([]admin.Credentials, error) {
	rows, err := directory.ReadCSV(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	accounts := make([]admin.Credentials, len(rows))
	for i, row := range rows {
		accounts[i] = admin.Credentials{Address: row.Address.String(), Password: row.Password, Line: row.Line}
	}
	return accounts, nil
}

type accountList struct {
	Held    bool `help:"Those whose mail is held, since somebody may have stolen them, and why."`
	Deleted bool `help:"Those that were deleted, and can be brought back."`

	WithoutSCRAM bool `name:"without-scram" help:"Those that keep SCRAM from being offered, and what else does."`
}

func (c *accountList) Run(e *environment) error {
	switch {
	case c.Deleted:
		return listDeleted(e)
	case c.Held:
		return listHeld(e)
	case c.WithoutSCRAM:
		return listWithoutScram(e)
	}
	accounts, err := call(e, admin.ListAccounts, admin.Nothing{})
	if err != nil {
		return err
	}
	slices.SortFunc(accounts, func(a, b admin.Account) int { return strings.Compare(byDomain(a.Address), byDomain(b.Address)) })
	return e.print(accounts, func(w io.Writer) {
		rows := [][]string{{"ADDRESS", "STATE", "SINCE"}}
		for _, a := range accounts {
			rows = append(rows, []string{a.Address, a.State, a.Created.Format("2006-01-02")})
		}
		table(w, rows)
	})
}

// byDomain sorts addresses by their domain first.
func byDomain(address string) string {
	at := strings.LastIndexByte(address, '@')
	return address[at+1:] + " " + address[:max(at, 0)]
}

func state(a admin.Account) string {
	if !a.Locked.IsZero() {
		return a.State + ", but closed until it has a new password"
	}
	if a.Reason == "" {
		return a.State
	}
	return a.State + ": " + a.Reason
}

type accountShow struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *accountShow) Run(e *environment) error {
	a, err := call(e, admin.ShowAccount, admin.Name{Name: c.Address})
	if err != nil {
		return err
	}
	return e.print(a, func(w io.Writer) {
		quota := ""
		if a.Quota != 0 {
			quota = " of " + bytesText(max(a.Quota, 0))
		}
		facts := [][]string{
			{"address", a.Address},
			{"number", fmt.Sprint(a.ID)},
			{"state", state(a.Account) + sending(a)},
			{"since", a.Created.Format("2006-01-02 15:04:05 MST")},
			{"password", kept(a) + ways(a)},
			{"aliases", or(strings.Join(a.Aliases, " "), "none")},
			{"mail to", forwarding(a.Account)},
			{"language", or(a.Language, "not known")},
			{"mail", count(int(a.Messages), "message", "messages") + ", " + bytesText(a.Bytes) + quota},
		}
		if len(a.Administers) > 0 {
			facts = append(facts, []string{"administers", strings.Join(a.Administers, " ")})
		}
		table(w, facts)
		fmt.Fprintln(w)
		rows := [][]string{{"MAILBOX", "MESSAGES", "UNSEEN", "SIZE"}}
		slices.SortStableFunc(a.Mailboxes, func(a, b admin.Mailbox) int { return cmp.Compare(isInbox(b), isInbox(a)) })
		for _, m := range a.Mailboxes {
			rows = append(rows, []string{m.Name, thousands(int64(m.Messages)), thousands(int64(m.Unseen)), bytesText(m.Bytes)})
		}
		table(w, rows)
	})
}

// kept says where an account's password is.
func kept(a admin.AccountDetails) string {
	switch a.Source {
	case "":
		return a.Scheme
	case directory.FromProvider:
		return "none; the OpenID provider vouches"
	}
	return "in the directory " + a.Source
}

// isInbox is 1 for the mailbox that people look for first.
func isInbox(m admin.Mailbox) int {
	if m.Name == "INBOX" {
		return 1
	}
	return 0
}

// ways says what there is besides the password.
func ways(a admin.AccountDetails) string {
	text := ""
	if a.TOTP {
		text = ", one-time codes"
	}
	if a.Apps > 0 {
		text += ", " + count(a.Apps, "app password", "app passwords")
	}
	if len(a.Off) > 0 {
		text += "; without " + strings.Join(a.Off, " ")
	}
	return text
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

type accountPasswd struct {
	Address string `arg:"" help:"The account's address."`
	passwordFile
}

func (c *accountPasswd) Run(e *environment) error {
	password, err := c.password(e, c.Address)
	if err != nil {
		return err
	}
	if _, err := call(e, admin.SetPassword, admin.Credentials{Address: c.Address, Password: password}); err != nil {
		return err
	}
	return e.done("changed", c.Address, "changed the password of %s", c.Address)
}

type accountDisable struct {
	Address string `arg:"" help:"The account's address."`
	Reason  string `help:"Why, for whoever looks at it later." placeholder:"TEXT"`
}

func (c *accountDisable) Run(e *environment) error {
	if _, err := call(e, admin.SetState, admin.AccountState{Address: c.Address, State: "disabled", Reason: c.Reason}); err != nil {
		return err
	}
	return e.done("disabled", c.Address, "disabled %s", c.Address)
}

type accountEnable struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *accountEnable) Run(e *environment) error {
	if _, err := call(e, admin.SetState, admin.AccountState{Address: c.Address, State: "active"}); err != nil {
		return err
	}
	return e.done("enabled", c.Address, "enabled %s", c.Address)
}

type accountDelete struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *accountDelete) Run(e *environment) error {
	account, err := call(e, admin.DeleteAccount, admin.Name{Name: c.Address})
	if err != nil {
		return err
	}
	return e.print(account, func(w io.Writer) {
		fmt.Fprintf(w, "deleted %s; until %s it can be brought back: posthorn account undelete %s\n",
			account.Address, account.Deleted.Add(directory.KeepDeleted).Format(time.DateOnly), account.Address)
	})
}

// done says that something was done to something: {"verb": "object"} or a sentence.
func (e *environment) done(verb, object, format string, args ...any) error {
	return e.print(map[string]string{verb: object}, func(w io.Writer) { fmt.Fprintf(w, format+"\n", args...) })
}
