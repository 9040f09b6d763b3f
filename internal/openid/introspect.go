package openid

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"posthorn/internal/fault"
)

// introspect shows a token to the provider (RFC 7662 §2).
func (v *Verifier) introspect(ctx context.Context, s *site, token string) (*claims, error) {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.introspection, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fault.New(fault.Internal, "openid: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	// RFC 6749 §2.3.1: both are encoded as in a form, before they are put together.
	request.SetBasicAuth(url.QueryEscape(v.o.ClientID), url.QueryEscape(v.o.ClientSecret))
	response, err := v.client.Do(request)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "openid: %w", err)
	}
	defer response.Body.Close()
	c := &claims{}
	decoder := json.NewDecoder(response.Body)
	decoder.UseNumber()
	if err := decoder.Decode(&c.all); err != nil {
		return nil, fault.New(fault.Unavailable, "openid: the provider's answer about a token: %w", err)
	}
	return c, v.active(c)
}

// active checks what the provider says of a token (RFC 7662 §2.2).
func (v *Verifier) active(c *claims) error {
	if c.all["active"] != true {
		return fault.New(fault.Unauthenticated, "openid: the provider does not know the token, or not any more")
	}
	if issuer, said := c.all["iss"]; said && issuer != v.o.Issuer {
		return fault.New(fault.Unauthenticated, "openid: the token is from %q", issuer)
	}
	if v.o.Audience != "" && !slices.Contains(audience(c.all["aud"]), v.o.Audience) {
		return fault.New(fault.Unauthenticated, "openid: the token is not for %q", v.o.Audience)
	}
	if until, said := number(c.all["exp"]); said {
		if c.until = until; !v.o.Clock().Before(until) {
			return fault.New(fault.Unauthenticated, "openid: the token has expired")
		}
	}
	return nil
}

// audience is one, or a list of them (RFC 7519 §4.1.3).
func audience(v any) []string {
	if one, ok := v.(string); ok {
		return []string{one}
	}
	return words(v)
}
