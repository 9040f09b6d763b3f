package admin

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/obs"
)

// caller is who asks for an operation. The zero caller may do nothing.
type caller struct {
	operator bool // whoever may open the control socket: may do everything

	// Of an account.
	account directory.AccountID
	name    string   // its address
	domains []string // that it administers, with their other names
	from    connection
}

// connection is how a caller has come, for the audit trail.
type connection struct {
	Remote           netip.Addr
	ID, TLS, Program string
	Log              *slog.Logger // nil: nothing is logged
}

// callerKey is where a context has who asks.
type callerKey struct{}

func withCaller(ctx context.Context, c *caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

func callerOf(ctx context.Context) *caller {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		return c
	}
	return &caller{}
}

// sees says whether a domain is the caller's to administer.
func (c *caller) sees(domain string) bool {
	if c.operator {
		return true
	}
	canonical, err := addr.CanonicalDomain(domain)
	return err == nil && slices.Contains(c.domains, canonical)
}

// seesAddress is sees for the domain of an address; what is none is not his.
func (c *caller) seesAddress(text string) bool {
	if c.operator {
		return true
	}
	address, err := addr.Parse(text)
	return err == nil && c.sees(address.Domain)
}

// seen leaves out what is not the caller's. It changes the list.
func seen[T any](c *caller, list []T, is func(T) bool) []T {
	if c.operator {
		return list
	}
	return slices.DeleteFunc(list, func(one T) bool { return !is(one) })
}

// uidKey is where a connection's context has which user is at its other end.
type uidKey struct{}

// by puts into an event who has asked for what it tells.
func by(ctx context.Context, e *obs.Event) {
	c := callerOf(ctx)
	if c.operator {
		e.By = operator(ctx)
		return
	}
	e.By, e.Protocol = c.name, protocol
	e.Remote, e.Conn, e.TLS, e.Hello = c.from.Remote, c.from.ID, c.from.TLS, c.from.Program
}

// operator is the name of the user at the other end of the control socket, or of this
// process.
func operator(ctx context.Context) string {
	uid, ok := ctx.Value(uidKey{}).(int)
	if !ok {
		uid = os.Getuid()
	}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}

// longestWord is how much of a request gets into the audit trail.
const longestWord = 1 << 10

func bounded(text string) string {
	if len(text) > longestWord {
		text = strings.ToValidUTF8(text[:longestWord], "") + "…"
	}
	return text
}
