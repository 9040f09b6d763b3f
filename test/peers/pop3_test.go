package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"posthorn/internal/config"
	"posthorn/test/live"
)

// maildir makes a Maildir for a program to deliver to.
func (p *peers) maildir(name string) string {
	p.Helper()
	dir := filepath.Join(p.dir, name)
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			p.Fatal(err)
		}
	}
	return dir
}

// fetchMpop fetches what is new by POP3, and leaves it there or does not.
func fetchMpop(p *peers, user string, keep bool) {
	p.Helper()
	rc := p.file("mpoprc", fmt.Sprintf(`account default
host localhost
port %d
tls on
tls_starttls off
tls_trust_file %s
user %s@%s
password %s
keep %s
delivery maildir %s
uidls_file %s/uidls
received_header off
`, p.server.Port(config.POP3S), p.certificate(), user, live.Domain, live.Password, onOff(keep), p.maildir("mail"), p.dir), 0o600)
	p.run(nil, "mpop", "--file="+rc, "--quiet")
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// fetchGetmail does the same with getmail, which root must give a program that keeps mail.
func fetchGetmail(p *peers, user string, keep bool) {
	p.Helper()
	mda := p.file("mda", "#!/bin/sh\nexec cat >\"$(mktemp "+p.maildir("mail")+"/new/XXXXXX)\"\n", 0o700)
	rc := p.file("getmailrc", fmt.Sprintf(`[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = %d
username = %s@%s
password = %s
ca_certs = %s
[destination]
type = MDA_external
path = %s
allow_root_commands = true
[options]
delete = %v
read_all = false
delivered_to = false
received = false
verbose = 0
`, p.server.Port(config.POP3S), user, live.Domain, live.Password, p.certificate(), mda, !keep), 0o600)
	p.run(nil, "getmail", "--getmaildir", p.dir, "--rcfile", rc)
}

// TestLeaveAndDelete: programs that leave mail on the server fetch each message once,
// whole; when they delete it, it is gone.
func TestLeaveAndDelete(t *testing.T) {
	fetchers := map[string]func(p *peers, user string, keep bool){"mpop": fetchMpop, "getmail": fetchGetmail}
	p := start(t, "mpop", "getmail")
	for name, fetch := range fetchers {
		t.Run(name, func(t *testing.T) {
			p := p.in(t)
			sent := letters(name)
			for i, l := range sent {
				sendSMTPLib(p, name, l)
				fetch(p, name, true) // again and again
				if n := len(p.folder("mail/new/*")); n != i+1 {
					t.Fatalf("after %d letters %d were fetched", i+1, n)
				}
			}
			if n := len(readPOPLib(p, name)); n != len(sent) {
				t.Errorf("%d of %d are left on the server", n, len(sent))
			}
			fetch(p, name, false)
			if n := len(p.folder("mail/new/*")); n != len(sent) {
				t.Errorf("%d were fetched twice", n-len(sent))
			}
			if n := len(readPOPLib(p, name)); n != 0 {
				t.Errorf("%d are left on the server that should be gone", n)
			}
			var got [][]byte
			for _, text := range p.folder("mail/new/*") {
				got = append(got, crlf(text))
			}
			if name != "getmail" { // it takes headers apart, and writes them as it likes
				compare(t, got, sent)
			}
		})
	}
}
