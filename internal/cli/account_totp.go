package cli

import (
	"fmt"
	"io"

	"posthorn/internal/admin"
)

type accountTOTP struct {
	Enrol    totpEnrol    `cmd:"" help:"Begin: show the secret for an authenticator app, and recovery codes, this one time."`
	Confirm  totpConfirm  `cmd:"" help:"Have the codes count, by a first one."`
	Verify   totpVerify   `cmd:"" help:"Check a code, which is void then."`
	Recovery totpRecovery `cmd:"" help:"Make new recovery codes; those from before are void."`
	Disable  totpDisable  `cmd:"" help:"End one-time codes."`
}

// Help is shown below the summary.
func (c *accountTOTP) Help() string {
	return "Once they count, mail programs need an app password: posthorn account app-password add."
}

type totpEnrol struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *totpEnrol) Run(e *environment) error {
	made, err := call(e, admin.EnrolTOTP, admin.Name{Name: c.Address})
	if err != nil {
		return err
	}
	return e.print(made, func(w io.Writer) {
		fmt.Fprintf(w, "secret   %s\nurl      %s\n", made.Secret, made.URL)
		printRecovery(w, made.Recovery)
		fmt.Fprintf(w, "Type the secret into an authenticator app, or show it the URL as a QR code. Then run:\nposthorn account totp confirm %s CODE\n", c.Address)
	})
}

func printRecovery(w io.Writer, codes []string) {
	fmt.Fprintln(w, "Recovery codes, each good once:")
	for _, code := range codes {
		fmt.Fprintln(w, "  "+code)
	}
}

type totpConfirm struct {
	Address string `arg:"" help:"The account's address."`
	Code    string `arg:"" help:"What the app shows."`
}

func (c *totpConfirm) Run(e *environment) error {
	if _, err := call(e, admin.ConfirmTOTP, admin.AccountCode{Address: c.Address, Code: c.Code}); err != nil {
		return err
	}
	return e.done("confirmed", c.Address, "one-time codes guard %s; mail programs need app passwords from now on", c.Address)
}

type totpVerify struct {
	Address string `arg:"" help:"The account's address."`
	Code    string `arg:"" help:"What the app shows, or a recovery code."`
}

func (c *totpVerify) Run(e *environment) error {
	if _, err := call(e, admin.VerifyTOTP, admin.AccountCode{Address: c.Address, Code: c.Code}); err != nil {
		return err
	}
	return e.done("verified", c.Address, "the code of %s is right, and void now", c.Address)
}

type totpRecovery struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *totpRecovery) Run(e *environment) error {
	made, err := call(e, admin.RenewRecovery, admin.Name{Name: c.Address})
	if err != nil {
		return err
	}
	return e.print(made, func(w io.Writer) { printRecovery(w, made.Recovery) })
}

type totpDisable struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *totpDisable) Run(e *environment) error {
	if _, err := call(e, admin.DisableTOTP, admin.Name{Name: c.Address}); err != nil {
		return err
	}
	return e.done("disabled", c.Address, "%s has no one-time codes any more; mail programs can use its password", c.Address)
}
