package cli

import (
	"fmt"
	"io"

	"posthorn/internal/admin"
	"posthorn/internal/dnszone"
)

type domainDKIM struct {
	List     dkimList     `cmd:"" help:"List the keys of a domain."`
	Rotate   dkimRotate   `cmd:"" help:"Make new keys. They sign once their DNS records are published."`
	Activate dkimActivate `cmd:"" help:"Sign with new keys at once, whatever DNS says."`
}

type dkimList struct {
	Domain string `arg:"" help:"The domain."`
}

func (c *dkimList) Run(e *environment) error {
	keys, err := call(e, admin.ListKeys, admin.Name{Name: c.Domain})
	if err != nil {
		return err
	}
	return e.print(keys, func(w io.Writer) {
		rows := [][]string{{"SELECTOR", "ALGORITHM", "STATE", "SINCE", "REMARK"}}
		for _, k := range keys {
			since, remark := k.Created, ""
			switch {
			case k.Retired != nil:
				since, remark = *k.Retired, "its DNS record must stay until "+k.KeepUntil.Format("2006-01-02")
			case k.Activated != nil:
				since = *k.Activated
			default:
				remark = "signs once its DNS record is published: posthorn domain dns " + k.Domain
			}
			rows = append(rows, []string{k.Selector, k.Algorithm, k.State, since.Format("2006-01-02"), or(remark, "-")})
		}
		table(w, rows)
	})
}

type dkimRotate struct {
	Domain string `arg:"" help:"The domain."`
}

// Help is shown below the summary.
func (c *dkimRotate) Help() string {
	return "The server looks for the records once an hour. When it sees that of a new key, this key signs in the place of " +
		"the old one, whose record must stay for eight days more."
}

func (c *dkimRotate) Run(e *environment) error {
	keys, err := call(e, admin.RotateKeys, admin.Name{Name: c.Domain})
	if err != nil {
		return err
	}
	return e.print(keys, func(w io.Writer) {
		fmt.Fprintf(w, "made new keys for %s; publish these records, and leave those of the old keys where they are:\n", c.Domain)
		for _, k := range keys {
			fmt.Fprintln(w, dnszone.TXT(k.Name, k.Record))
		}
	})
}

type dkimActivate struct {
	Domain    string   `arg:"" help:"The domain."`
	Selectors []string `arg:"" optional:"" name:"selector" help:"The keys. Default: all that are prepared."`
}

func (c *dkimActivate) Run(e *environment) error {
	keys, err := call(e, admin.ActivateKeys, admin.KeyOrder{Domain: c.Domain, Selectors: c.Selectors})
	if err != nil {
		return err
	}
	return e.print(keys, func(w io.Writer) {
		for _, k := range keys {
			fmt.Fprintf(w, "%s signs the mail of %s from now on\n", k.Selector, k.Domain)
		}
	})
}
