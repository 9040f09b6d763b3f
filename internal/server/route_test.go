package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthorn/internal/config"
	"posthorn/internal/outbound"
	"posthorn/internal/smtpclient"
)

func TestRoutePasswords(t *testing.T) {
	c := testConfig(t, config.SMTP)
	file := filepath.Join(t.TempDir(), "password")
	c.Routes = []config.Route{{Domains: []string{"*"}, Transport: config.SmartHost, Hosts: []string{"smtp.isp.example"}, User: "alice", PasswordFile: file}}
	if _, err := CheckFiles(c); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("without the file: %v", err)
	}
	for text, want := range map[string]string{"secret\nrest\n": "secret", "\n": "", "": ""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := routes(c.Routes)
		switch {
		case want == "" && (err == nil || !strings.Contains(err.Error(), "there is no password")):
			t.Errorf("%q: %v", text, err)
		case want != "" && (err != nil || all[0].Auth.Password != want || all[0].Auth.User != "alice"):
			t.Errorf("%q: %+v, %v", text, all, err)
		}
	}
}

// TestRouteWords: every word of the configuration has its meaning.
func TestRouteWords(t *testing.T) {
	transports := map[config.Transport]outbound.Transport{
		config.SmartHost: outbound.SmartHost, config.ByLMTP: outbound.LMTP, config.ByMX: outbound.ByMX, config.Discard: outbound.Discard,
	}
	for word, want := range transports {
		if got, err := route(&config.Route{Transport: word}); err != nil || got.Transport != want {
			t.Errorf("transport %s is %v, %v", word, got.Transport, err)
		}
	}
	policies := map[config.RouteTLS]smtpclient.TLSPolicy{
		config.Opportunistic: smtpclient.TLSOpportunistic, config.Required: smtpclient.TLSRequired,
		config.Verified: smtpclient.TLSVerified, config.Never: smtpclient.TLSNever,
	}
	for word, want := range policies {
		if got, err := route(&config.Route{TLS: word}); err != nil || got.TLS != want {
			t.Errorf("tls %s is %v, %v", word, got.TLS, err)
		}
	}
}
