package cli

import (
	"fmt"
	"io"

	"posthorn/internal/admin"
	"posthorn/internal/dnszone"
)

type domainDNS struct {
	Domain string `arg:"" help:"The domain."`
}

// Help is shown below the summary.
func (c *domainDNS) Help() string {
	return "Prints a block for the domain's zone file. What follows a semicolon is a comment."
}

func (c *domainDNS) Run(e *environment) error {
	zone, err := call(e, admin.ShowZone, admin.Name{Name: c.Domain})
	if err != nil {
		return err
	}
	return e.print(zone, func(w io.Writer) { dnszone.Write(w, zone.Sections) })
}

type domainCheck struct {
	Domain string `arg:"" help:"The domain."`
}

// Help is shown below the summary.
func (c *domainCheck) Help() string {
	return "Looks in DNS for everything that domain dns lists, says of each whether it is ok, missing or wrong, what was found, and how to " +
		"mend it. What is marked with * is good to have. The exit code is 3 if something is not as it has to be."
}

func (c *domainCheck) Run(e *environment) error {
	checked, err := call(e, admin.CheckDomain, admin.Name{Name: c.Domain})
	if err != nil {
		return err
	}
	err = e.print(checked, func(w io.Writer) {
		dnszone.WriteFindings(w, checked.Findings)
		if checked.Right {
			fmt.Fprintf(w, "\n%s: everything is there that is needed\n", checked.Domain)
		} else {
			fmt.Fprintf(w, "\n%s: something is not as it has to be; what is marked with * is only good to have\n", checked.Domain)
		}
	})
	if err == nil && !checked.Right {
		return told(exitDamaged)
	}
	return err
}
