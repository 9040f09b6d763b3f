// Package ldapsource asks servers of LDAP (RFC 4511) who somebody is: OpenLDAP, Active
// Directory and their like. It is a directory.Source, and a directory.Binder for servers
// that do not give hashes of passwords.
//
// It owns the connections, the one search that the operator has written, and what the
// servers' answers mean. It never puts what a client has said into a filter or a name
// unescaped, never follows a referral, and never binds with an empty password.
//
// Flow: Lookup takes a connection that is bound as ourselves and searches -> Verify takes
// one of other connections, on which passwords are tried. Each operation has a deadline and
// a bound of bytes; after any failure its connection is closed. One that was idle may
// have been closed by the server, so that a new one is tried once. Of several servers,
// the one that answered last is asked first.
//
// Invariant: an empty result is the only way to say that somebody is not there.
package ldapsource

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/go-ldap/ldap/v3"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
)

// Options say which servers are asked, and what.
type Options struct {
	Servers  []string    // URLs, ldap://host:port, ldaps://host:port, ldapi://path; the preferred first
	StartTLS bool        // on ldap://
	TLS      *tls.Config // whose certificates are trusted; nil: as the system says
	BindDN   string      // whom to search as; "": nobody
	Password string
	Base     string
	// Filter is a filter (RFC 4515), in which %u stands for the address, %n for its local part
	// and %d for its domain.
	Filter string
	// PasswordAttribute has the {SCHEME}hash. "": passwords are tried.
	PasswordAttribute string
	Connections       int // most at a time to search, and as many to try passwords
}

// Source are servers with people in them.
type Source struct {
	o        Options
	searches *pool
	binds    *pool
}

// Open reads the options. No server is asked yet: all may be down. Kind of error: Invalid.
func Open(o Options) (*Source, error) {
	if err := CheckFilter(o.Filter); err != nil {
		return nil, err
	}
	if _, err := ldap.ParseDN(o.Base); err != nil {
		return nil, fault.New(fault.Invalid, "ldapsource: base %q: %w", o.Base, err)
	}
	first := new(atomic.Int32)
	dialer := dialer{servers: o.Servers, startTLS: o.StartTLS, tls: o.TLS, first: first}
	return &Source{
		o: o,
		searches: newPool(o.Connections, dialer, func(c *ldap.Conn) error {
			if o.BindDN == "" {
				return nil
			}
			return c.Bind(o.BindDN, o.Password)
		}),
		binds: newPool(o.Connections, dialer, nil),
	}, nil
}

// CheckFilter says what is wrong with a filter. Kind of error: Invalid.
func CheckFilter(filter string) error {
	if !strings.Contains(filter, "%u") && !strings.Contains(filter, "%n") {
		return fault.New(fault.Invalid, "filter %q finds everybody; want %%u for the address in it, or %%n for its local part", filter)
	}
	if _, err := ldap.CompileFilter(fill(filter, addr.Address{Local: "x", Domain: "example.test"})); err != nil {
		return fault.New(fault.Invalid, "filter %q: %w", filter, err)
	}
	return nil
}

// fill puts an address into a filter (RFC 4515 §3: escaped).
func fill(filter string, a addr.Address) string {
	return strings.NewReplacer(
		"%u", ldap.EscapeFilter(a.String()), "%n", ldap.EscapeFilter(a.Local), "%d", ldap.EscapeFilter(a.Domain),
	).Replace(filter)
}

// none asks for entries without attributes (RFC 4511 §4.5.1.8).
const none = "1.1"

// Lookup is of directory.Source.
func (s *Source) Lookup(ctx context.Context, address addr.Address) (directory.Found, error) {
	attribute := s.o.PasswordAttribute
	if attribute == "" {
		attribute = none
	}
	const most = 2 // one more than there should be
	request := ldap.NewSearchRequest(
		s.o.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, most, 0, false, fill(s.o.Filter, address), []string{attribute}, nil,
	)
	var entries []*ldap.Entry
	err := s.searches.use(ctx, func(c *ldap.Conn) error {
		result, err := c.Search(request)
		if result != nil {
			entries = result.Entries
		}
		return err
	})
	switch {
	case len(entries) > 1:
		return directory.Found{}, fault.New(fault.Unavailable, "ldapsource: %s finds several entries; want a filter that is for one", request.Filter)
	case err != nil:
		return directory.Found{}, unavailable(err)
	case len(entries) == 0:
		return directory.Found{}, fault.New(fault.NotFound, "ldapsource: there is no %s", address)
	}
	found := directory.Found{Entry: entries[0].DN}
	if s.o.PasswordAttribute != "" {
		found.Hash = entries[0].GetEqualFoldAttributeValue(s.o.PasswordAttribute)
	}
	return found, nil
}

// Verify is of directory.Binder.
func (s *Source) Verify(ctx context.Context, found directory.Found, password string) error {
	name := found.Entry
	if name == "" {
		name = s.nobody()
	}
	if password == "" { // RFC 4513 §5.1.2
		return wrong()
	}
	err := s.binds.use(ctx, func(c *ldap.Conn) error { return c.Bind(name, password) })
	switch {
	case err == nil && found.Entry == "":
		return wrong()
	case err == nil:
		return nil
	case refuses(err):
		return wrong()
	}
	return unavailable(err)
}

// nobody is the name of an entry that is not there.
func (s *Source) nobody() string {
	var random [8]byte
	rand.Read(random[:]) // never fails
	name := "cn=" + hex.EncodeToString(random[:])
	if s.o.Base != "" {
		name += "," + s.o.Base
	}
	return name
}

func wrong() error { return fault.New(fault.Unauthenticated, "ldapsource: wrong user or password") }

// refuses says that the server has looked at a password, and wants none of it.
func refuses(err error) bool {
	return ldap.IsErrorAnyOf(err,
		ldap.LDAPResultInvalidCredentials, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultInsufficientAccessRights)
}

func unavailable(err error) error {
	if ldap.IsErrorWithCode(err, ldap.LDAPResultReferral) {
		err = errors.New("the server does not have this base, and names another one; that is not followed: want it among the servers")
	}
	return fault.New(fault.Unavailable, "ldapsource: %w", err)
}

// Close is of directory.Source.
func (s *Source) Close() error {
	s.searches.close()
	s.binds.close()
	return nil
}
