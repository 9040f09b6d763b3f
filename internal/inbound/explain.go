package inbound

import (
	"fmt"
	"strings"
	"time"

	"posthorn/internal/filter/lists"
)

// denied says that a list keeps something of a kind out, and no other lets it in.
func denied(k lists.Kind) func(*Policy, *Findings) bool {
	return func(_ *Policy, f *Findings) bool { return f.Denied != nil && f.Denied.Kind == k && !f.Allowed }
}

// notWelcome tells the reason for which something is on a list.
func notWelcome(_ *Policy, f *Findings) string {
	text, direction := f.Denied.Text, "from"
	if f.Denied.Kind == lists.Recipient {
		direction = "for"
	}
	reason := f.Denied.Reason
	if reason == "" {
		reason = "its postmaster knows why"
	}
	return printable(fmt.Sprintf("Mail %s %s is not taken by this server: %s", direction, text, reason))
}

// exceeded says that too much of something has happened.
func exceeded(what Rate) func(*Policy, *Findings) bool {
	return func(_ *Policy, f *Findings) bool { return f.Exceeded == what }
}

// tooMany tells what there was too much of, what the limit is, and when to come back.
func tooMany(what string) func(*Policy, *Findings) string {
	return func(p *Policy, f *Findings) string {
		limit := p.limit(f, f.Exceeded)
		return fmt.Sprintf("Too many %s: at most %d %s; come back in %s", what, limit.Count, each(limit.Per), inWords(f.Wait))
	}
}

// each is a time that something is counted by.
func each(d time.Duration) string {
	switch d {
	case time.Minute:
		return "a minute"
	case time.Hour:
		return "an hour"
	}
	return "in " + inWords(d)
}

// inWords is a time in whole seconds or minutes, and not less than it is.
func inWords(d time.Duration) string {
	n, unit := (d+time.Second-1)/time.Second, "second"
	if d > 2*time.Minute {
		n, unit = (d+time.Minute-1)/time.Minute, "minute"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// printable is a text as it can stand in a reply.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
