package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestRemote: an admin of a domain works from elsewhere.
func TestRemote(t *testing.T) {
	s := newScript(t)
	file := newServer(t, s)
	t.Setenv("POSTHORN_CONFIG", file)
	config, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = config.WriteString("\n[[listener]]\nprotocol = \"https\"\naddress = \"127.0.0.1:0\"\n\n[[listener]]\nprotocol = \"http\"\naddress = \"127.0.0.1:0\"\n")
	if err != nil || config.Close() != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"alice.password": "secret\n", "wrong.password": "guess\n"} {
		if err := os.WriteFile(s.dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := runInBackground(t, "serve")
	server.log.waitFor(t, `"msg":"ready"`, 1)
	script := read(t, "remote.txt")
	address := func(protocol string) string {
		t.Helper()
		found := regexp.MustCompile(`"protocol":"` + protocol + `","address":"([0-9.:]+)"`).FindStringSubmatch(server.log.String())
		if found == nil {
			t.Fatalf("nobody listens for %s:\n%s", protocol, &server.log)
		}
		return found[1]
	}
	secure, clear := address("https"), address("http")
	got := s.play(strings.NewReplacer("SECURE", secure, "CLEAR", clear).Replace(script))
	golden(t, "remote.txt", strings.NewReplacer(secure, "SECURE", clear, "CLEAR").Replace(got))
	if code := server.stop(); code != exitDone {
		t.Errorf("serve ended with %d:\n%s", code, &server.log)
	}
}
