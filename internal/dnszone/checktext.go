package dnszone

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/dkim"
	"posthorn/internal/dmarc"
	"posthorn/internal/fault"
	"posthorn/internal/spf"
)

// texts looks for the texts of a name that begin with a version, of which there must
// be one. The finding is over unless ok.
func (c *check) texts(ctx context.Context, what string, needed bool, version string, publish Record) (f Finding, text string, ok bool) {
	answer, err := c.r.TXT(ctx, publish.Name)
	ours := slices.DeleteFunc(slices.Clone(answer.Texts), func(text string) bool { return !hasVersion(text, version) })
	if err == nil && len(ours) == 0 {
		err = fault.New(fault.NotFound, "there is no such text")
	}
	f = c.finding(what, publish.Name, needed, err, publish)
	f.Found = ours
	if len(ours) > 1 {
		f.wrong("there are several, and so none of them counts")
		f.Mend = "remove all but one"
	}
	if f.Status != OK {
		return f, "", false
	}
	return f, ours[0], true
}

// hasVersion says that a record begins with v=version.
func hasVersion(text, version string) bool {
	first, _, _ := strings.Cut(strings.ReplaceAll(text, ";", " "), " ")
	return strings.EqualFold(first, version)
}

// senders looks whether our addresses may send for the domain.
func (c *check) senders(ctx context.Context) []Finding {
	f, text, ok := c.texts(ctx, "SPF", true, "v=spf1", c.spf())
	if !ok {
		return []Finding{f}
	}
	for word := range strings.FieldsSeq(text) {
		if word == "all" || word == "+all" {
			f.wrong("this lets everybody send in the name of the domain", c.spf())
			return []Finding{f}
		}
	}
	c.evaluate(ctx, &f, addr.Address{Local: "postmaster", Domain: c.Domain})
	return []Finding{f}
}

// helloSenders looks whether our addresses may call themselves what they do; what has
// no sender is judged by that.
func (c *check) helloSenders(ctx context.Context) []Finding {
	if c.Hostname == c.Domain {
		return nil
	}
	f, _, ok := c.texts(ctx, "SPF", false, "v=spf1", c.helloSPF())
	if ok {
		c.evaluate(ctx, &f, addr.Address{Local: "postmaster", Domain: c.Hostname})
	}
	return []Finding{f}
}

// evaluate asks SPF of all of our addresses.
func (c *check) evaluate(ctx context.Context, f *Finding, from addr.Address) {
	checker, ips := spf.New(c.r), c.ips()
	for _, ip := range ips {
		found := checker.MailFrom(ctx, ip, c.Hostname, from)
		switch found.Result {
		case spf.Pass:
			continue
		case spf.TempError:
			f.Status, f.Remark = Unknown, found.Reason
			f.Mend = "try again; a name in it cannot be looked up now"
		case spf.PermError:
			f.wrong("receivers cannot make sense of it: " + found.Reason)
			f.Mend = "mend that, or publish what posthorn domain dns " + c.Domain + " proposes"
		case spf.None, spf.Neutral, spf.Fail, spf.SoftFail:
			f.wrong(fmt.Sprintf("it does not let %v send, from where our mail comes (%s)", ip, found.Result))
			f.Mend = "add " + mechanism(ip) + " to it"
		}
		return
	}
	if len(ips) == 0 {
		f.Status, f.Remark = Unknown, "from which address our mail comes is not known"
		f.Mend = "publish the address of " + c.Hostname + " first"
	}
}

// mechanism lets one address send.
func mechanism(ip netip.Addr) string {
	if ip.Is4() {
		return "ip4:" + ip.String()
	}
	return "ip6:" + ip.String()
}

// keys looks for the records of our keys.
func (c *check) keys(ctx context.Context) []Finding {
	var all []Finding
	for i := range c.Keys {
		all = append(all, c.key(ctx, &c.Keys[i]))
	}
	return all
}

func (c *check) key(ctx context.Context, k *Key) Finding {
	answer, err := c.r.TXT(ctx, k.Name)
	f := c.finding("DKIM", k.Name, k.State == Signs, err, TXT(k.Name, k.Record))
	f.Found = answer.Texts
	if f.Status == OK {
		c.compare(&f, k)
	}
	switch {
	case f.Remark != "":
	case k.State == Next:
		f.Remark = "a new key, which signs once its record is seen"
	case k.State == Past && f.Status == OK:
		f.Remark = "the record must stay until " + k.Until.Format("2006-01-02")
	case k.State == Past:
		f.Remark = "mail that this key has signed may still be on its way until " + k.Until.Format("2006-01-02")
	}
	return f
}

// compare looks whether a record is that of a key.
func (c *check) compare(f *Finding, k *Key) {
	want, err := dkim.ParseRecord(k.Record)
	found := dkim.Record{}
	if err == nil {
		found, err = dkim.ParseRecord(f.Found[0])
	}
	switch {
	case len(f.Found) > 1: // RFC 6376 §3.6.2.2
		f.wrong("there are several, and receivers take any of them")
		f.Mend = "remove all but " + TXT(k.Name, k.Record).String()
	case err != nil:
		f.wrong(strings.TrimPrefix(err.Error(), "dkim: "), TXT(k.Name, k.Record))
	case len(found.Public) == 0:
		f.wrong("this says that the key is revoked", TXT(k.Name, k.Record))
	case !found.Same(want):
		f.wrong("that is another key", TXT(k.Name, k.Record))
	case found.Testing:
		f.Remark = "t=y asks receivers not to rely on it; take that out when you are done with testing"
	}
}

// policy looks what the domain asks of those who get mail that is not from it.
func (c *check) policy(ctx context.Context) []Finding {
	found := dmarc.Lookup(ctx, c.r, []string{c.Domain}).Evaluate(dmarc.Evidence{}) // of a message that proves nothing
	record := c.dmarcRecord()
	f := Finding{What: "DMARC", Name: record.Name, Needed: true, Status: OK}
	for _, name := range []string{c.Domain, dmarc.Organization(c.Domain)} {
		if answer, err := c.r.TXT(ctx, "_dmarc."+name); err == nil && len(f.Found) == 0 {
			f.Found = answer.Texts
		}
	}
	switch found.Result {
	case dmarc.None:
		f.Status = Missing
		f.mend(record)
		if len(f.Found) > 0 {
			f.wrong("receivers find no policy in it", record)
		}
	case dmarc.TempError:
		f.Status, f.Remark = Unknown, found.Reason
		f.Mend = tryAgain
	case dmarc.PermError:
		f.wrong("receivers cannot make sense of it: "+found.Reason, record)
	case dmarc.Pass, dmarc.Fail:
		switch {
		case found.Policy == dmarc.DoNothing:
			f.Remark = "when the reports show that all of your mail passes, ask for p=quarantine, in the end for p=reject"
		case !strings.Contains(strings.Join(f.Found, " "), "rua="):
			f.Remark = "without rua= nobody tells you how your mail fares"
		}
	}
	return []Finding{f}
}

// reports looks where reports on TLS go.
func (c *check) reports(ctx context.Context) []Finding {
	f, text, ok := c.texts(ctx, "TLSRPT", false, "v=TLSRPTv1", c.tlsReport())
	if ok && !strings.Contains(text, "rua=") {
		f.wrong("it does not say where reports go", c.tlsReport())
	}
	return []Finding{f}
}

// programs looks whether mail programs find the server.
func (c *check) programs(ctx context.Context) []Finding {
	var all []Finding
	for _, name := range clientServices() {
		record := c.srv(name)
		answer, err := c.r.SRV(ctx, record.Name)
		f := c.finding("SRV", record.Name, false, err, record)
		service, offered := c.service(name)
		right := false
		for _, place := range answer.Places {
			f.Found = append(f.Found, fmt.Sprintf("%d %d %d %s.", place.Priority, place.Weight, place.Port, place.Host))
			right = right || offered && place.Host == c.Hostname && place.Port == service.Port || !offered && place.Host == ""
		}
		switch {
		case f.Status == Missing && !offered: // saying nothing is as good
			continue
		case f.Status == OK && !right:
			f.wrong("that is not where the service is", record)
		}
		all = append(all, f)
	}
	return all
}
