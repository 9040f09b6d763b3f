package dnszone

import (
	"context"
	"strconv"
	"time"

	"posthorn/internal/dane"
	"posthorn/internal/fault"
	"posthorn/internal/mtasts"
)

const smtpPort = 25

// associations looks whether DANE, if it is used, means our certificate: if it does
// not, mail stays away.
func (c *check) associations(ctx context.Context) []Finding {
	name := "_" + strconv.Itoa(smtpPort) + "._tcp." + c.Hostname
	answer, err := c.r.TLSA(ctx, name)
	if fault.Is(err, fault.NotFound) {
		return nil // nobody needs it
	}
	f := c.finding("TLSA", name, true, err)
	if err != nil {
		return []Finding{f}
	}
	policy, err := dane.Lookup(ctx, c.r, smtpPort, c.Hostname)
	f.Found = []string{dane.Policy{Records: answer.Records}.String()}
	const mend = "publish the TLSA record of the certificate, or take the old one away"
	switch {
	case err != nil:
		f = c.finding("TLSA", name, true, err)
	case !policy.Requires():
		f.Needed, f.Remark = false, "nobody looks at it: it is not proven by DNSSEC, as far as this machine's resolver says"
	case len(c.Certificates) == 0:
		f.wrong("the server has no certificate ([tls])")
		f.Mend = mend
	default:
		if err := policy.Verify(c.Certificates); err != nil {
			f.wrong("it is not of this server's certificate, and those who look stay away: " + reason(err))
			f.Mend = mend
		}
	}
	return []Finding{f}
}

// policyTime is how long a policy may take to be fetched.
const policyTime = 10 * time.Second

// strictTransport looks whether MTA-STS, if it is used, lets mail come here.
func (c *check) strictTransport(ctx context.Context) []Finding {
	want := c.mtaSTS()
	f, _, ok := c.texts(ctx, "MTA-STS", false, "v=STSv1", want.Records[0])
	if f.Status == Missing {
		return nil // as long as there is no web server for it
	}
	if !ok {
		return []Finding{f}
	}
	f.Needed = true // one that is wrong keeps mail away
	answer := mtasts.New(mtasts.Options{Resolver: c.r, Timeout: policyTime}).Get(ctx, c.Domain)
	switch {
	case answer.Err != nil:
		f.wrong("its policy cannot be had: " + reason(answer.Err))
		f.Mend = "serve the policy that posthorn domain dns " + c.Domain + " shows, or take the record away"
	case answer.Policy.Mode != mtasts.None && !answer.Policy.Matches(c.Hostname):
		f.wrong("its policy does not name " + c.Hostname)
		f.Mend = "add a line mx: " + c.Hostname + " to the policy, and change the id"
	default:
		f.Remark = "mode " + string(answer.Policy.Mode)
	}
	return []Finding{f}
}
