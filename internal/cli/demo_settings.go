package cli

import (
	"io"
	"net"
	"path/filepath"
	"text/template"

	"posthorn/internal/config"
)

// settingsText is what the demo prints for people to go on with.
const settingsText = `
In a mail program (the certificate is self-signed: let the program accept it)

  {{range .Accounts}}user name   {{.Address}}    password   {{.Password}}
  {{end}}server      127.0.0.1
  receiving   IMAP port {{.Port "imaps"}} with TLS, or {{.Port "imap"}} with STARTTLS or none
              POP3 port {{.Port "pop3s"}} with TLS, or {{.Port "pop3"}} with STARTTLS or none
  sending     SMTP port {{.Port "submissions"}} with TLS, or {{.Port "submission"}} with STARTTLS or none

In a shell

  # bob's newest message over IMAP, and his first over POP3
  curl -s 'imap://127.0.0.1:{{.Port "imap"}}/INBOX;MAILINDEX=*' -u {{.Bob}}
  curl -s 'pop3://127.0.0.1:{{.Port "pop3"}}/1' -u {{.Bob}}

  # from alice to bob
  printf 'From: {{.AliceAddress}}\r\nSubject: hello\r\n\r\nfrom curl\r\n' | curl -s smtp://127.0.0.1:{{.Port "submission"}} -u {{.Alice}} \
    --mail-from {{.AliceAddress}} --mail-rcpt {{.BobAddress}} -T -
  swaks --server 127.0.0.1:{{.Port "submission"}} -tls --auth-user {{.AliceAddress}} --auth-password {{.AlicePassword}} \
    --from {{.AliceAddress}} --to {{.BobAddress}}

  # as a server from outside would
  swaks --server 127.0.0.1:{{.Port "smtp"}} --from someone@elsewhere.test --to {{.BobAddress}}

  # administration of this demo
  posthorn account list --config {{.Config}}

{{if .ThrowAway}}Everything is in {{.Dir}}, which is removed when the demo ends.
{{else}}Everything is in {{.Dir}}, and stays there.
{{end}}Ctrl-C ends the demo.
`

// demoSettings are the values in settingsText.
type demoSettings struct{ *demo }

type demoAccount struct{ Address, Password string }

func (s demoSettings) Accounts() []demoAccount {
	return []demoAccount{{demoAlice, s.passwords[demoAlice]}, {demoBob + "  ", s.passwords[demoBob]}}
}

// Port is the port of a protocol.
func (s demoSettings) Port(protocol string) (string, error) {
	_, port, err := net.SplitHostPort(s.address(config.Protocol(protocol)))
	return port, err
}

func (s demoSettings) AliceAddress() string  { return demoAlice }
func (s demoSettings) AlicePassword() string { return s.passwords[demoAlice] }
func (s demoSettings) BobAddress() string    { return demoBob }
func (s demoSettings) Alice() string         { return demoAlice + ":" + s.passwords[demoAlice] }
func (s demoSettings) Bob() string           { return demoBob + ":" + s.passwords[demoBob] }
func (s demoSettings) Dir() string           { return s.dir }
func (s demoSettings) Config() string        { return filepath.Join(s.dir, configName) }
func (s demoSettings) ThrowAway() bool       { return s.throwAway }

// settings prints how to go on.
func (d *demo) settings(w io.Writer) error {
	return template.Must(template.New("settings").Parse(settingsText)).Execute(w, demoSettings{d})
}
