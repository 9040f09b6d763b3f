// Package openid finds out whom an access token was given to, by an OpenID provider.
//
// It owns one provider: what is known of it (OpenID Connect Discovery), its keys, and
// the questions that it is asked. It never sees a password, never gets a token itself,
// and keeps none: what it remembers of those that were good are digests.
//
// Flow: Verify looks whether a token was good a moment ago (memory.go) -> a token that
// is signed is checked with the provider's keys, which go-oidc fetches and keeps
// (verify.go); any other is shown to the provider (introspect.go) -> what is said of it
// must be for us, and name an address. Whatever is fetched passes by one transport
// (fetch.go), which bounds time, size and number.
//
// Invariants: a provider that does not answer is Unavailable, never a wrong token; tokens
// that were made up cannot make us ask the provider more often than every few seconds.
package openid

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"

	"posthorn/internal/fault"
	"posthorn/internal/sasl"
)

// Options say which provider it is, and which of its tokens are good. Issuer is required,
// and Audience or Introspect.
type Options struct {
	Issuer   string // URL
	Audience string // whom tokens must be for; "": if the provider answers for them itself, anybody
	Scope    string // that they must have; "": any
	Claim    string // that has the user's address; default "email"
	// Introspect shows each token to the provider (RFC 7662), as ClientID.
	Introspect             bool
	ClientID, ClientSecret string

	Roots *x509.CertPool // who vouches for the provider; nil: whom the system trusts
	Clock func() time.Time
	Log   *slog.Logger
}

// Verifier proves tokens.
type Verifier struct {
	o      Options
	client *http.Client
	flight singleflight.Group
	known  memory
}

// New makes a Verifier. The provider is not asked for anything yet.
func New(o Options) *Verifier {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Claim == "" {
		o.Claim = "email"
	}
	return &Verifier{o: o, client: newClient(&o), known: memory{clock: o.Clock}}
}

// Discovery is what a client is told whose token is not good.
func (v *Verifier) Discovery() sasl.Discovery {
	return sasl.Discovery{Scope: v.o.Scope, Configuration: strings.TrimSuffix(v.o.Issuer, "/") + "/.well-known/openid-configuration"}
}

// Verify gives the address of the user to whom a token was given. Errors: Unauthenticated,
// or Unavailable if the provider cannot be asked.
func (v *Verifier) Verify(ctx context.Context, token string) (address string, err error) {
	digest := sha256.Sum256([]byte(token))
	if address, ok := v.known.get(digest); ok {
		return address, nil
	}
	site, err := v.site(ctx)
	if err != nil {
		return "", err
	}
	var c *claims
	if v.o.Introspect {
		c, err = v.introspect(ctx, site, token)
	} else {
		c, err = v.verify(ctx, site, token)
	}
	if err == nil {
		address, err = c.address(&v.o)
	}
	if err != nil {
		return "", err
	}
	v.known.put(digest, address, c.expiry())
	return address, nil
}

// site is what is known of the provider.
type site struct {
	keys          oidc.KeySet
	introspection string
}

// site asks the provider where things are, once. Whoever waits for that waits with others.
func (v *Verifier) site(ctx context.Context) (*site, error) {
	if s := v.known.site.Load(); s != nil {
		return s, nil
	}
	answer := v.flight.DoChan("", func() (any, error) {
		// The client's timeout ends it, not somebody who has lost patience.
		s, err := v.discover(context.WithoutCancel(ctx))
		if err != nil {
			v.o.Log.Warn("OpenID provider cannot be reached", "issuer", v.o.Issuer, "error", err)
			return nil, err
		}
		v.known.site.Store(s)
		return s, nil
	})
	select {
	case r := <-answer:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*site), nil
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "openid: %w", ctx.Err())
	}
}

func (v *Verifier) discover(ctx context.Context) (*site, error) {
	ctx = oidc.ClientContext(ctx, v.client)
	provider, err := oidc.NewProvider(ctx, v.o.Issuer)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "openid: %s: %w", v.o.Issuer, err)
	}
	var said struct {
		Keys          string `json:"jwks_uri"`
		Introspection string `json:"introspection_endpoint"`
	}
	if err := provider.Claims(&said); err != nil {
		return nil, fault.New(fault.Unavailable, "openid: %s: %w", v.o.Issuer, err)
	}
	if v.o.Introspect && !isSecure(said.Introspection) || !v.o.Introspect && !isSecure(said.Keys) {
		return nil, fault.New(fault.Unavailable, "openid: %s does not say where to ask about tokens", v.o.Issuer)
	}
	return &site{keys: oidc.NewRemoteKeySet(ctx, said.Keys), introspection: said.Introspection}, nil
}

func isSecure(url string) bool { return strings.HasPrefix(url, "https://") }
