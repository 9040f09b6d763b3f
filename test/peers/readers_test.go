package peers

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"posthorn/internal/config"
	"posthorn/test/live"
)

func (p *peers) curl(user string, args ...string) []byte {
	p.Helper()
	return p.run(nil, "curl", append([]string{
		"--silent", "--show-error", "--cacert", p.certificate(), "--user", user + "@" + live.Domain + ":" + live.Password,
	}, args...)...)
}

// readCurlIMAP asks for the UIDs and then for one message after the other, half of
// them with implicit TLS and half after STARTTLS.
func readCurlIMAP(p *peers, user string) (all [][]byte) {
	p.Helper()
	base := fmt.Sprintf("imaps://localhost:%d/INBOX", p.server.Port(config.IMAPS))
	found := regexp.MustCompile(`SEARCH([ \d]*)`).FindSubmatch(p.curl(user, base+"?ALL"))
	if found == nil {
		p.Fatal("curl: SEARCH ALL gave nothing")
	}
	for i, number := range strings.Fields(string(found[1])) {
		url := base
		more := []string{}
		if i%2 == 1 {
			url, more = fmt.Sprintf("imap://localhost:%d/INBOX", p.server.Port(config.IMAP)), []string{"--ssl-reqd"}
		}
		all = append(all, p.curl(user, append(more, url+";MAILINDEX="+number)...))
	}
	return all
}

func readCurlPOP3(p *peers, user string) (all [][]byte) {
	p.Helper()
	base := fmt.Sprintf("pop3s://localhost:%d/", p.server.Port(config.POP3S))
	for i, line := range strings.Split(strings.TrimSpace(string(p.curl(user, base))), "\n") {
		number, _, _ := strings.Cut(line, " ")
		url := base
		more := []string{}
		if i%2 == 1 {
			url, more = fmt.Sprintf("pop3://localhost:%d/", p.server.Port(config.POP3)), []string{"--ssl-reqd"}
		}
		all = append(all, p.curl(user, append(more, url+number)...))
	}
	return all
}

const imaplib = `
import base64, imaplib, ssl, sys
port, cert, user, password = sys.argv[1:]
with imaplib.IMAP4_SSL('localhost', int(port), ssl_context=ssl.create_default_context(cafile=cert)) as c:
    c.login(user, password)
    c.select('INBOX', readonly=True)
    status, numbers = c.search(None, 'ALL')
    assert status == 'OK'
    for number in numbers[0].split():
        status, data = c.fetch(number, '(UID RFC822.SIZE FLAGS BODY.PEEK[])')
        text = data[0][1]
        size = int(data[0][0].split(b'RFC822.SIZE ')[1].split()[0])
        assert size == len(text), (size, len(text))
        print(base64.b64encode(text).decode())
`

const poplib = `
import base64, poplib, ssl, sys
port, cert, user, password = sys.argv[1:]
poplib._MAXLINE = 10000
c = poplib.POP3('localhost', int(port))
c.stls(context=ssl.create_default_context(cafile=cert))
c.user(user)
c.pass_(password)
count, total = c.stat()
sizes = [int(line.split()[1]) for line in c.list()[1]]
assert len(sizes) == count and sum(sizes) == total
assert len(set(line.split()[1] for line in c.uidl()[1])) == count
for i in range(count):
    lines = c.retr(i + 1)[1]
    text = b''.join(line + b'\r\n' for line in lines)
    assert len(text) == sizes[i], (len(text), sizes[i])
    print(base64.b64encode(text).decode())
c.quit()
`

// python runs a program that prints each message as a line of base64.
func (p *peers) python(program, user string, protocol config.Protocol) (all [][]byte) {
	p.Helper()
	out := p.run(nil, "python3", "-c", program, strconv.Itoa(p.server.Port(protocol)), p.certificate(),
		user+"@"+live.Domain, live.Password)
	for line := range strings.FieldsSeq(string(out)) {
		text, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			p.Fatalf("python: %v", err)
		}
		all = append(all, text)
	}
	return all
}

func readIMAPLib(p *peers, user string) [][]byte { return p.python(imaplib, user, config.IMAPS) }
func readPOPLib(p *peers, user string) [][]byte  { return p.python(poplib, user, config.POP3) }

// readFetchmail hands each message to a program that keeps it as a file. fetchmail
// ends lines with LF then.
func readFetchmail(p *peers, user, protocol string, port int) (all [][]byte) {
	p.Helper()
	mda := p.file("mda", "#!/bin/sh\nexec cat >\"$(mktemp "+p.dir+"/mail.XXXXXX)\"\n", 0o700)
	rc := p.file("fetchmailrc", fmt.Sprintf(`set invisible
set no bouncemail
poll localhost protocol %s service %d auth password
  user "%s@%s" password "%s" ssl sslcertck sslcertfile "%s"
  keep fetchall no rewrite no mimedecode mda "%s"
`, protocol, port, user, live.Domain, live.Password, p.certificate(), mda), 0o600)
	p.run(nil, "fetchmail", "--fetchmailrc", rc, "--nodetach", "--silent", "--pidfile", p.dir+"/pid", "--idfile", p.dir+"/ids")
	for _, text := range p.folder("mail.*") {
		all = append(all, crlf(text))
	}
	return all
}

func readFetchmailIMAP(p *peers, user string) [][]byte {
	return readFetchmail(p, user, "IMAP", p.server.Port(config.IMAPS))
}

func readFetchmailPOP3(p *peers, user string) [][]byte {
	return readFetchmail(p, user, "POP3", p.server.Port(config.POP3S))
}

// readMutt copies all messages to a Maildir.
func readMutt(p *peers, user string) (all [][]byte) {
	p.Helper()
	p.mutt(user, p.imapURL("INBOX"), "<tag-pattern>~A<enter><copy-message>"+p.dir+"/copied<enter>")
	for _, text := range append(p.folder("copied/new/*"), p.folder("copied/cur/*")...) {
		all = append(all, withoutMuttFields(crlf(text)))
	}
	return all
}
