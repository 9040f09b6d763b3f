// Package openidtest is an OpenID provider for tests, on this machine.
package openidtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Provider signs tokens, and answers for them.
type Provider struct {
	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex
	key      *rsa.PrivateKey
	id       string
	opaque   map[string]map[string]any // what is known of tokens that are not signed
	requests map[string]int            // by path
	down     bool
}

// Client and Secret are who may ask about tokens.
const Client, Secret = "mail server", "s3cret & more"

// New starts a provider, which ends with the test.
func New(t testing.TB) *Provider {
	p := &Provider{t: t, opaque: map[string]map[string]any{}, requests: map[string]int{}}
	p.Rotate("first")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("POST /introspect", p.introspect)
	p.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.requests[r.URL.Path]++
		down := p.down
		p.mu.Unlock()
		if down {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.server.Close)
	return p
}

// Issuer is its URL.
func (p *Provider) Issuer() string { return p.server.URL }

// Roots vouch for it.
func (p *Provider) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.server.Certificate())
	return pool
}

// Certificate is its certificate, in PEM.
func (p *Provider) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
}

// Rotate has it sign with another key from now on.
func (p *Provider) Rotate(id string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key, p.id = key, id
}

// Down has it answer nothing but errors.
func (p *Provider) Down(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// Requests counts those for a path.
func (p *Provider) Requests(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[path]
}

// Token signs claims.
func (p *Provider) Token(claims map[string]any) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sign(map[string]any{"alg": "RS256", "typ": "at+jwt", "kid": p.id}, claims)
}

func (p *Provider) sign(header, claims map[string]any) string {
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			p.t.Error(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := encode(header) + "." + encode(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	if err != nil {
		p.t.Error(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Opaque makes a token that says nothing itself.
func (p *Provider) Opaque(token string, claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opaque[token] = claims
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	url := p.Issuer()
	p.answer(w, map[string]any{
		"issuer": url, "jwks_uri": url + "/keys", "introspection_endpoint": url + "/introspect",
		"authorization_endpoint": url + "/authorize", "token_endpoint": url + "/token",
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer(w, map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": p.id,
		"n": base64.RawURLEncoding.EncodeToString(p.key.N.Bytes()), "e": "AQAB",
	}}})
}

func (p *Provider) introspect(w http.ResponseWriter, r *http.Request) {
	// RFC 6749 §2.3.1: as in a form
	if user, secret, _ := r.BasicAuth(); user != "mail+server" || secret != "s3cret+%26+more" {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	claims := p.opaque[r.PostFormValue("token")]
	if claims == nil {
		claims = map[string]any{"active": false}
	}
	p.answer(w, claims)
}

func (p *Provider) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}
