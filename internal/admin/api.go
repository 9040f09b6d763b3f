package admin

import (
	"context"
	"crypto/tls"
	"mime"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/filter/rates"
	"posthorn/internal/login"
)

// The same operations for accounts, over HTTP: POST /api/v1/account/list and so on, with
// the name and the password of the account in each request (HTTP Basic, RFC 7617).
//
// There are no cookies and no sessions, so there is nothing that a foreign page could
// make a browser send along, but for a password that somebody has typed into a
// browser's own window for Basic: therefore requests must be of the type
// application/json, which no form can send, and those that a browser says come from
// another origin are refused.

const (
	// protocol is what accounts log in for, as login and the audit trail call it.
	protocol = "admin"
	// apiPrefix is in front of the paths of all operations.
	apiPrefix = "/api"
	// codeHeader has the one-time code of an account that is guarded by these.
	codeHeader = "Posthorn-Code"

	largestRequest = 1 << 20 // bytes
	longestRequest = time.Minute
	requestsAtOnce = 4 // of an account
)

// requestLimit is how many requests a client, and an account, may make.
func requestLimit() rates.Limit { return rates.Limit{Count: 300, Per: time.Minute} }

// Gate proves who somebody is. It is a login.Gate.
type Gate interface {
	PasswordAnd(ctx context.Context, p login.Peer, user, password string, second func(context.Context, directory.Account) error) (login.Identity, error)
}

// API is the operations for accounts. It is shared by all listeners, so that its limits
// are.
type API struct {
	admin      *Admin
	operations *bound
	rates      *rates.Table
	foreign    *http.CrossOriginProtection

	mu   sync.Mutex
	busy map[directory.AccountID]int // requests that are being answered
}

// NewAPI makes an API.
func NewAPI(a *Admin) *API {
	return &API{
		admin: a, operations: a.operations(), rates: rates.New(time.Now()), foreign: http.NewCrossOriginProtection(),
		busy: map[directory.AccountID]int{},
	}
}

// peerKey is where a connection's context has who is at its other end.
type peerKey struct{}

// WithConnection notes who is at the other end of a connection. It is for
// http.Server.ConnContext.
func WithConnection(ctx context.Context, p login.Peer) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

// Handler answers requests of accounts that come in by a gate. Exempt tells for whom no
// limits are.
func (api *API) Handler(gate Gate, exempt func(netip.Addr) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		err := api.acceptable(r)
		p, known := r.Context().Value(peerKey{}).(login.Peer)
		if err == nil && !known {
			err = fault.New(fault.Internal, "admin: a connection that nobody knows")
		}
		if err != nil {
			answer(w, nil, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), longestRequest)
		defer cancel()
		limited := !exempt(p.Remote)
		if wait := api.rates.Take(time.Now(), api.rates.Client(0, p.Remote), requestLimit()); limited && wait > 0 {
			tooMany(w, wait)
			return
		}
		c, err := api.enter(ctx, r, gate, p)
		if err != nil {
			if fault.Is(err, fault.Unauthenticated) {
				h.Set("WWW-Authenticate", `Basic realm="posthorn", charset="UTF-8"`)
			}
			answer(w, nil, err)
			return
		}
		if wait := api.rates.Take(time.Now(), api.rates.User(1, c.name), requestLimit()); limited && wait > 0 {
			tooMany(w, wait)
			return
		}
		leave, ok := api.begin(c.account)
		if !ok {
			tooMany(w, time.Second)
			return
		}
		defer leave()
		r = r.WithContext(withCaller(ctx, c))
		r.Body = http.MaxBytesReader(w, r.Body, largestRequest)
		http.StripPrefix(apiPrefix, api.operations).ServeHTTP(w, r)
	})
}

// acceptable is the error that a request is none, whoever asks.
func (api *API) acceptable(r *http.Request) error {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case !strings.HasPrefix(r.URL.Path, apiPrefix+pathPrefix):
		return fault.New(fault.NotFound, "there is nothing here but %s", apiPrefix+pathPrefix)
	case r.Method != http.MethodPost:
		return fault.New(fault.Unsupported, "operations are asked for with POST")
	case kind != "application/json":
		return fault.New(fault.Invalid, "a request must be of the type application/json")
	case r.ContentLength > largestRequest:
		return unreadable("", &http.MaxBytesError{Limit: largestRequest})
	}
	if err := api.foreign.Check(r); err != nil {
		return fault.New(fault.Denied, "requests of pages from elsewhere are refused: %w", err)
	}
	return nil
}

// enter finds out who asks.
func (api *API) enter(ctx context.Context, r *http.Request, gate Gate, p login.Peer) (*caller, error) {
	user, password, given := r.BasicAuth()
	if !given {
		return nil, fault.New(fault.Unauthenticated, "log in with the address and the password of an account, by HTTP Basic")
	}
	p.Protocol, p.Client = protocol, r.UserAgent()
	id, err := gate.PasswordAnd(ctx, p, user, password, func(ctx context.Context, account directory.Account) error {
		return api.admin.secondProof(ctx, account, r.Header.Get(codeHeader))
	})
	if err != nil {
		return nil, entryRefused(err)
	}
	c := &caller{account: directory.AccountID(id.Account), name: id.Name, from: connection{Remote: p.Remote, ID: p.Conn, Program: p.Client, Log: p.Log}}
	if p.TLS != nil {
		c.from.TLS = tls.VersionName(p.TLS.Version)
	}
	if c.domains, err = api.admin.o.Directory.Administers(ctx, c.account); err != nil {
		return nil, c.told(ctx, err)
	}
	return c, nil
}

// secondProof wants a one-time code of an account that is guarded by these.
func (a *Admin) secondProof(ctx context.Context, account directory.Account, code string) error {
	needed, err := a.o.Directory.NeedsTOTP(ctx, account.Address)
	switch {
	case err != nil || !needed:
		return err
	case code == "":
		return fault.New(fault.Denied, "admin: account %s: %w", account.Address, &directory.Refusal{
			Text: "this account is guarded by one-time codes; give one as well, with --code or in " + codeHeader,
		})
	}
	return a.o.Directory.VerifyTOTP(ctx, account.Address, code)
}

// entryRefused is what somebody is told who does not get in. Before he has proven who he
// is, that is the same whoever he claims to be.
func entryRefused(err error) error {
	switch kind := fault.KindOf(err); kind {
	case fault.Unauthenticated:
		return fault.New(kind, "wrong user, password or one-time code")
	case fault.Denied:
		return fault.New(kind, "%s", login.Refusal(err))
	case fault.Limit:
		return fault.New(kind, "too many wrong passwords; try again later")
	case fault.Unsupported:
		return fault.New(fault.Denied, "passwords are not taken here")
	}
	return fault.New(fault.Unavailable, "passwords cannot be checked now; try again later")
}

// told is an error as a caller may read it: what is wrong inside of the server is for
// the operator, in the log.
func (c *caller) told(ctx context.Context, err error) error {
	kind := fault.KindOf(err)
	switch {
	case err == nil || c.operator:
		return err
	case kind == fault.Internal || kind == fault.Corrupt || kind == fault.Unavailable || kind == fault.StorageFull || kind == fault.Canceled:
		if c.from.Log != nil {
			c.from.Log.WarnContext(ctx, "an operation has failed", "user", c.name, "error", err)
		}
		return fault.New(kind, "the server cannot do that now; its log says why")
	}
	return err
}

// begin takes a place among the requests of an account.
func (api *API) begin(id directory.AccountID) (leave func(), ok bool) {
	api.mu.Lock()
	defer api.mu.Unlock()
	if api.busy[id] >= requestsAtOnce {
		return nil, false
	}
	api.busy[id]++
	return func() {
		api.mu.Lock()
		defer api.mu.Unlock()
		if api.busy[id]--; api.busy[id] == 0 {
			delete(api.busy, id)
		}
	}, true
}

func tooMany(w http.ResponseWriter, wait time.Duration) {
	seconds := max(int((wait+time.Second-1)/time.Second), 1)
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	answer(w, nil, fault.New(fault.Limit, "too many requests; try again in %d s", seconds))
}
