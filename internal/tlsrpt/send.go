package tlsrpt

import (
	"context"
	"hash/fnv"
	"net/url"
	"slices"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
)

// report makes and sends the reports on the days that are over.
func (c *Counter) report(ctx context.Context) error {
	if err := c.forgetOld(ctx); err != nil || c.options().From == "" {
		return err
	}
	now := time.Now()
	var after []byte
	for {
		keys, tallies, err := c.some(ctx, after, day(now), batch)
		if err != nil || len(keys) == 0 {
			return err
		}
		for i, k := range keys {
			if now.Before(due(k)) {
				continue
			}
			done, err := c.tell(ctx, k, tallies[i])
			if err != nil {
				return err
			}
			if done {
				if err := c.forget(ctx, k); err != nil {
					return err
				}
			}
		}
		after = keys[len(keys)-1].bytes()
	}
}

// due is when a domain is told of a day: within four hours after it, not all at once
// (RFC 8460 §4.1).
func due(k key) time.Time {
	start, _ := time.Parse(time.DateOnly, k.day)
	h := fnv.New32a()
	h.Write([]byte(k.domain))
	return start.Add(24*time.Hour + time.Duration(h.Sum32()%(4*3600))*time.Second)
}

// tell sends the report on a day to a domain. It is not done if that may go better
// later.
func (c *Counter) tell(ctx context.Context, k key, t *Tally) (done bool, err error) {
	o := c.options()
	answer, err := o.Resolver.TXT(ctx, "_smtp._tls."+k.domain)
	switch {
	case fault.Is(err, fault.Canceled):
		return false, err
	case fault.Is(err, fault.NotFound):
		return true, nil
	case err != nil:
		return false, nil
	}
	r := &Report{Domain: k.domain, Day: k.day, Submitter: o.Hostname, Contact: o.From, Made: time.Now(), Tally: t}
	for _, to := range receivers(answer.Texts) {
		if err := o.Send(ctx, to, r.Message(to)); err != nil {
			return false, err
		}
		c.log.InfoContext(ctx, "reported on TLS", "domain", k.domain, "day", k.day, "to", to)
	}
	return true, nil
}

// maxReceivers is to how many addresses a report goes.
const maxReceivers = 3

// receivers are the addresses that want the reports on a domain (RFC 8460 §3). If
// there is more than one record, nobody does. Those that want them over HTTPS are
// left out.
func receivers(texts []string) []string {
	const version = "v=TLSRPTv1"
	texts = slices.DeleteFunc(slices.Clone(texts), func(text string) bool {
		rest, ok := strings.CutPrefix(text, version)
		return !ok || !strings.HasPrefix(strings.TrimLeft(rest, " \t"), ";")
	})
	if len(texts) != 1 {
		return nil
	}
	var all []string
	for field := range strings.SplitSeq(texts[0], ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		if strings.TrimSpace(key) != "rua" {
			continue
		}
		for uri := range strings.SplitSeq(value, ",") {
			if to := mailbox(strings.TrimSpace(uri)); to != "" && len(all) < maxReceivers && !slices.Contains(all, to) {
				all = append(all, to)
			}
		}
	}
	return all
}

// mailbox is the address of a mailto URI; "" if it is none.
func mailbox(uri string) string {
	scheme, rest, _ := strings.Cut(uri, ":")
	if !strings.EqualFold(scheme, "mailto") {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "?")
	text, err := url.PathUnescape(rest)
	if err != nil {
		return ""
	}
	a, err := addr.Parse(text)
	if err != nil || a.Domain == "" || !a.IsASCII() {
		return ""
	}
	return a.String()
}
