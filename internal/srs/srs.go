// Package srs owns the sender rewriting scheme: the return addresses that let us
// forward a stranger's message under a name of our own, so that SPF holds at the
// next server, and find the way back when it bounces.
//
// It is pure: an address, secrets and a day go in, an address comes out. It knows
// nothing of domains, queues or who may use such an address; that it is for bounces
// only (a null reverse-path) is for the caller to hold.
//
// Two forms, as published by Meng Weng Wong and Shevek:
//
//	SRS0=hash=day=domain=local@us        the way back to local@domain
//	SRS1=hash=first=…@us                 the way back to SRS0…@first, who rewrote it first
//
// The second form stops addresses from growing with every server on the way: only
// the first and the last are in them.
//
// Invariants: Reverse(Forward(a)) == a, but for the case of letters where a server
// on the way has changed it; nothing that Forward did not make with one of the
// secrets passes Reverse, but for one guess in 2^30; no address is good for longer than Life.
package srs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
)

// Life is how long an address is good: longer than any server tries to deliver what
// was sent under it, twice over, and not so long that it becomes worth collecting.
const Life = 21 * 24 * time.Hour

const (
	tag0, tag1 = "SRS0", "SRS1"
	separator  = '='
	hashLength = 6 // characters of 5 bits each
	dayLength  = 2
	numDays    = 1 << (5 * dayLength) // after which the days begin again
	day        = 24 * time.Hour
	longest    = 255 // bytes of a local part
)

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Rewriter makes return addresses, and knows those it has made.
type Rewriter struct{ secrets [][]byte }

// New makes a Rewriter. The first secret signs; all of them are recognised, so that
// one can be replaced while addresses made with it are still about. There must be
// at least one.
func New(secrets ...[]byte) *Rewriter {
	if len(secrets) == 0 {
		panic("srs: no secret")
	}
	return &Rewriter{secrets}
}

// Is says that a local part has the form of those that Forward makes.
func Is(local string) bool {
	_, rest, ok := split(local)
	return ok && rest[0] == separator
}

// split takes the tag off a local part, in capitals. What follows begins with the
// separator; other programs also use + and - for the first one.
func split(local string) (tag, rest string, ok bool) {
	if len(local) <= len(tag0) || !strings.ContainsRune("=+-", rune(local[len(tag0)])) {
		return "", "", false
	}
	tag = strings.ToUpper(local[:len(tag0)])
	return tag, local[len(tag0):], tag == tag0 || tag == tag1
}

// Forward makes the return address, in one of our domains, of a message from a
// sender. Kind of error: Invalid if the sender is null or the address would be too long.
func (r *Rewriter) Forward(sender addr.Address, domain string, now time.Time) (addr.Address, error) {
	sender, err := sender.Canonical()
	if err != nil || sender.Local == "" || sender.Domain == "" {
		return addr.Address{}, fault.New(fault.Invalid, "srs: there is no way back to <%s>", sender)
	}
	var tag, signed string
	switch earlier, rest, _ := split(sender.Local); earlier {
	case tag0:
		tag, signed = tag1, sender.Domain+"="+rest
	case tag1:
		// Somebody else's: his hash goes, the first server stays.
		if _, first, ok := cutField(rest[1:]); ok {
			tag, signed = tag1, first
			break
		}
		fallthrough // it only looks like one
	default:
		tag, signed = tag0, stamp(now)+"="+sender.Domain+"="+sender.Local
	}
	local := tag + "=" + r.hash(r.secrets[0], tag, signed) + "=" + signed
	if len(local) > longest {
		return addr.Address{}, fault.New(fault.Invalid, "srs: the return address for <%s> would have %d characters before the @; at most %d", sender, len(local), longest)
	}
	return addr.Address{Local: local, Domain: domain}, nil
}

// Reverse finds the sender behind a return address of ours. Kinds of errors: Invalid
// if it is none; Denied if we have not made it, or too long ago.
func (r *Rewriter) Reverse(a addr.Address, now time.Time) (addr.Address, error) {
	tag, rest, ok := split(a.Local)
	if !ok {
		return addr.Address{}, fault.New(fault.Invalid, "srs: <%s> is no return address", a)
	}
	hash, signed, ok := cutField(rest[1:])
	if !ok || !r.made(tag, hash, signed) {
		return addr.Address{}, fault.New(fault.Denied, "srs: <%s> was not made here", a)
	}
	if tag == tag1 {
		first, rest, ok := cutField(signed)
		if !ok || rest == "" {
			return addr.Address{}, fault.New(fault.Denied, "srs: <%s> leads nowhere", a)
		}
		return parse(addr.Address{Local: tag0 + rest, Domain: first})
	}
	made, rest, _ := cutField(signed)
	domain, local, ok := cutField(rest)
	if !ok {
		return addr.Address{}, fault.New(fault.Denied, "srs: <%s> leads nowhere", a)
	}
	if !fresh(made, now) {
		return addr.Address{}, fault.New(fault.Denied, "srs: <%s> has expired", a)
	}
	return parse(addr.Address{Local: local, Domain: domain})
}

// parse holds an address that was taken apart to the grammar of all addresses.
func parse(a addr.Address) (addr.Address, error) { return addr.Parse(a.String()) }

// cutField cuts at the first separator.
func cutField(s string) (field, rest string, ok bool) { return strings.Cut(s, string(separator)) }

// made says that a hash was made with one of the secrets.
func (r *Rewriter) made(tag, hash, signed string) bool {
	given := []byte(strings.ToUpper(hash))
	for _, secret := range r.secrets {
		if hmac.Equal(given, []byte(r.hash(secret, tag, signed))) {
			return true
		}
	}
	return false
}

// hash signs the rest of an address, without regard to case: some servers fold it.
func (r *Rewriter) hash(secret []byte, tag, signed string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(tag))
	mac.Write([]byte(strings.ToLower(signed)))
	return encoding.EncodeToString(mac.Sum(nil))[:hashLength]
}

// dayOf counts days, as far as a stamp can.
func dayOf(now time.Time) int {
	return int(now.Unix()/int64(day/time.Second)) & (numDays - 1)
}

// stamp writes the day.
func stamp(now time.Time) string {
	d := dayOf(now)
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	return string([]byte{digits[d>>5], digits[d&31]})
}

// fresh says that a stamp is of today or of a day within Life. Clocks of several
// servers may differ by a day.
func fresh(made string, now time.Time) bool {
	const days = int(Life / day)
	for ago := -1; ago <= days; ago++ {
		if strings.EqualFold(made, stamp(now.Add(-time.Duration(ago)*day))) {
			return true
		}
	}
	return false
}
