package sasl

import (
	"encoding/json"
	"strings"

	"posthorn/internal/fault"
)

// maxToken is the longest message with a token that is looked at.
const maxToken = 8192

// Discovery is what a client is told that comes with a token that is not good (RFC 7628
// §3.2.2).
type Discovery struct {
	Scope         string // that a token should have; "": any will do
	Configuration string // URL of the OpenID provider's; "": not told
}

// NewOAuthBearer is the mechanism OAUTHBEARER (RFC 7628). verify proves that a token is
// good, for authzid if that is not empty.
func NewOAuthBearer(d Discovery, verify func(authzid, token string) error) Server {
	return &bearer{verify: verify, parse: parseOAuthBearer, refusal: map[string]string{
		"status": "invalid_token", "scope": d.Scope, "openid-configuration": d.Configuration,
	}}
}

// NewXOAuth2 is XOAUTH2, as Google and Microsoft made it before there was a standard.
func NewXOAuth2(d Discovery, verify func(authzid, token string) error) Server {
	return &bearer{verify: verify, parse: parseXOAuth2, refusal: map[string]string{
		"status": "401", "schemes": "bearer", "scope": d.Scope,
	}}
}

// bearer is either mechanism: they differ in their syntax only.
type bearer struct {
	verify  func(authzid, token string) error
	parse   func(message string) (authzid, auth string, err error)
	refusal map[string]string
	asked   bool
	failed  error // and the client was told why
}

func (b *bearer) Next(response []byte) ([]byte, bool, error) {
	switch {
	case b.failed != nil: // RFC 7628 §3.2.3: whatever it answers ends the exchange
		return nil, false, b.failed
	case response == nil && !b.asked:
		b.asked = true
		return []byte{}, false, nil
	case len(response) > maxToken:
		return nil, false, fault.New(fault.Invalid, "sasl: a token of %d bytes; at most %d", len(response), maxToken)
	}
	authzid, auth, err := b.parse(string(response))
	if err != nil {
		return nil, false, err
	}
	if err := checkField("OAUTHBEARER", []byte(authzid), true); err != nil {
		return nil, false, err
	}
	token, err := bearerToken(auth)
	if err == nil {
		err = b.verify(authzid, token)
	}
	if fault.Is(err, fault.Unauthenticated) {
		b.failed = err
		return b.refused(), false, nil
	}
	return nil, err == nil, err
}

// refused is what a client is told whose token is not good.
func (b *bearer) refused() []byte {
	said := map[string]string{}
	for key, value := range b.refusal {
		if value != "" {
			said[key] = value
		}
	}
	text, _ := json.Marshal(said) // strings cannot fail
	return text
}

// parseOAuthBearer reads gs2-header kvsep *kvpair kvsep (RFC 7628 §3.1).
func parseOAuthBearer(message string) (authzid, auth string, err error) {
	header, pairs, ok := strings.Cut(message, "\x01")
	flags := strings.SplitN(header, ",", 3)
	if !ok || len(flags) != 3 || flags[2] != "" {
		return "", "", fault.New(fault.Invalid, "sasl: OAUTHBEARER: no GS2 header")
	}
	if flags[0] != "n" && flags[0] != "y" { // "p": there is no OAUTHBEARER-PLUS
		return "", "", fault.New(fault.Invalid, "sasl: OAUTHBEARER: channel binding is not possible with it")
	}
	if flags[1] != "" {
		if authzid, err = saslName(flags[1], "a="); err != nil {
			return "", "", err
		}
	}
	keys, err := pairsOf(pairs)
	return authzid, keys["auth"], err
}

// parseXOAuth2 reads "user=" user ^A "auth=Bearer " token ^A ^A.
func parseXOAuth2(message string) (authzid, auth string, err error) {
	keys, err := pairsOf(message)
	if err == nil && keys["user"] == "" {
		err = fault.New(fault.Invalid, "sasl: XOAUTH2: no user")
	}
	return keys["user"], keys["auth"], err
}

// pairsOf reads what ends in two ^A: key=value ^A, key=value ^A, ^A.
func pairsOf(text string) (map[string]string, error) {
	text, ok := strings.CutSuffix(text, "\x01")
	if !ok {
		return nil, fault.New(fault.Invalid, "sasl: the message with the token is cut off")
	}
	keys := map[string]string{}
	for text != "" {
		var pair string
		if pair, text, ok = strings.Cut(text, "\x01"); !ok {
			return nil, fault.New(fault.Invalid, "sasl: the message with the token is cut off")
		}
		key, value, ok := strings.Cut(pair, "=")
		_, twice := keys[key]
		if !ok || key == "" || twice || len(keys) == 16 {
			return nil, fault.New(fault.Invalid, "sasl: the message with the token has no pairs of key and value")
		}
		keys[key] = value
	}
	return keys, nil
}

// bearerToken takes the token out of "Bearer token" (RFC 6750 §2.1). A client that sends
// none wants to be told where to get one (RFC 7628 §4.3): that it is not good, as any other.
func bearerToken(auth string) (string, error) {
	scheme, token, _ := strings.Cut(auth, " ")
	token = strings.TrimLeft(token, " ")
	switch {
	case auth == "", strings.EqualFold(scheme, "Bearer") && token == "":
		return "", fault.New(fault.Unauthenticated, "sasl: no token")
	case !strings.EqualFold(scheme, "Bearer"):
		return "", fault.New(fault.Invalid, "sasl: %.20q is not a scheme of tokens", scheme)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fault.New(fault.Invalid, "sasl: the token has characters in it that no token has")
	}
	return token, nil
}
