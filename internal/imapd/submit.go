package imapd

import (
	"context"
	"io"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// URLs reads messages for a server that submits mail for its users (RFC 4468): what a
// URL with URLAUTH gives access to, by the same rules as URLFETCH. To such a server
// submit+ gives access, too.
type URLs struct{ Store *store.Store }

// Open opens what a URL names, on behalf of a user. Errors: Invalid (it is not the URL of
// a message), Unsupported (without URLAUTH), Denied, NotFound.
func (s URLs) Open(ctx context.Context, user, url string) (io.ReadCloser, error) {
	u, ok := imapwire.ParseURL(url)
	switch {
	case !ok || u.Host == "":
		return nil, fault.New(fault.Invalid, "imapd: %q is not the URL of a message", short(url))
	case u.Access == "":
		return nil, fault.New(fault.Unsupported, "imapd: the URL has no URLAUTH")
	}
	account, err := grantor(ctx, s.Store, u, reader{user: user, submits: true})
	if err != nil {
		return nil, err
	}
	t, err := openURL(ctx, account, u.Mailbox, u)
	if err != nil {
		return nil, err
	}
	return t, nil
}
