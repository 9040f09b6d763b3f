package openid

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"posthorn/internal/fault"
)

// algorithms are those of signatures that are good: no secret is shared, and "none" is
// none.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// verify checks a token that the provider has signed (RFC 9068 §4): its signature,
// issuer, audience, and time.
func (v *Verifier) verify(ctx context.Context, s *site, token string) (*claims, error) {
	keys := &attentive{keys: s.keys}
	verifier := oidc.NewVerifier(v.o.Issuer, keys, &oidc.Config{
		ClientID: v.o.Audience, SupportedSigningAlgs: algorithms, Now: v.o.Clock,
	})
	good, err := verifier.Verify(ctx, token)
	switch {
	case fault.Is(keys.failed, fault.Unavailable):
		return nil, fault.New(fault.Unavailable, "openid: %w", keys.failed)
	case err != nil && ctx.Err() != nil:
		return nil, fault.New(fault.Unavailable, "openid: %w", ctx.Err())
	case err != nil:
		return nil, fault.New(fault.Unauthenticated, "openid: %w", err)
	}
	c := &claims{}
	if err := good.Claims(&c.all); err != nil {
		return nil, fault.New(fault.Unauthenticated, "openid: %w", err)
	}
	c.until = good.Expiry
	return c, nil
}

// attentive keeps the error of looking for a key, which go-oidc only gives the text of.
type attentive struct {
	keys   oidc.KeySet
	failed error
}

func (a *attentive) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := a.keys.VerifySignature(ctx, token)
	a.failed = err
	return payload, err
}

// claims are what is said of a token.
type claims struct {
	all   map[string]any
	until time.Time // zero: it is not said
}

// expiry is until when it is good.
func (c *claims) expiry() time.Time { return c.until }

// address is that of the user, if the token is good for what it is used for here.
func (c *claims) address(o *Options) (string, error) {
	if o.Scope != "" && !slices.Contains(c.scopes(), o.Scope) {
		return "", fault.New(fault.Unauthenticated, "openid: the token has not the scope %q", o.Scope)
	}
	address, _ := c.all[o.Claim].(string)
	if address == "" {
		return "", fault.New(fault.Unauthenticated, "openid: the token has no claim %q", o.Claim)
	}
	// OpenID Connect Core §5.7: an address that nobody has verified is only what
	// somebody has typed.
	if verified, said := c.all["email_verified"]; o.Claim == "email" && said && verified != true && verified != "true" {
		return "", fault.New(fault.Unauthenticated, "openid: the provider has not verified the address %q", address)
	}
	return address, nil
}

// scopes are those of the token: "scope" of RFC 9068 §2.2.3, "scp" of some providers.
func (c *claims) scopes() []string { return append(words(c.all["scope"]), words(c.all["scp"])...) }

// words are the elements of a list, or the words of a text.
func words(v any) []string {
	switch v := v.(type) {
	case string:
		return strings.Fields(v)
	case []any:
		var all []string
		for _, one := range v {
			if text, ok := one.(string); ok {
				all = append(all, text)
			}
		}
		return all
	}
	return nil
}

// number reads a time as JSON has it: seconds.
func number(v any) (time.Time, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := n.Float64()
	return time.Unix(int64(seconds), 0), err == nil
}
