package cli

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"posthorn/internal/dns/dnstest"
)

// TestDomainCheck publishes what domain dns prints, and then less.
func TestDomainCheck(t *testing.T) {
	s := newScript(t)
	file := newServer(t, s)
	t.Setenv("POSTHORN_CONFIG", file)
	zone := dnstest.New(t, "")
	config, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	config = bytes.Replace(config, []byte("\n[dns]\n"), fmt.Appendf(nil, "\n[dns]\nservers = [\"%s\"]\n", zone.Listen()), 1)
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	var published strings.Builder // a zone wants the keys as they are, not as scripts have them
	code := Run(t.Context(), []string{"domain", "dns", "example.test"}, Streams{In: strings.NewReader(""), Out: &published, Err: &published})
	if code != exitDone {
		t.Fatalf("exit %d\n%s", code, &published)
	}
	const host = "\nmail.example.test A 198.51.100.1\n1.100.51.198.in-addr.arpa PTR mail.example.test.\n"
	zone.Set(published.String() + host)
	if got := s.play("$ posthorn domain check example.test\n"); !strings.Contains(got, "\nexample.test: everything is there that is needed\n") || strings.Contains(got, "exit") {
		t.Errorf("all is published:\n%s", got)
	}
	zone.Set(host)
	got := s.play("$ posthorn domain check example.test\n")
	for _, want := range []string{
		"missing   MX       example.test\n", "publish: example.test. IN MX 10 mail.example.test.", "\nok        address  mail.example.test: 198.51.100.1\n",
		"\nexample.test: something is not as it has to be", "\nexit 3\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("nothing is published, but there is no %q:\n%s", want, got)
		}
	}
	if got := s.play("$ posthorn domain check example.test --json\n"); !strings.Contains(got, `"right": false`) || !strings.Contains(got, "\nexit 3\n") {
		t.Errorf("in JSON:\n%s", got)
	}
}
