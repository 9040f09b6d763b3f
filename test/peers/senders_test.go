package peers

import (
	"bytes"
	"fmt"
	"strings"

	"posthorn/internal/config"
	"posthorn/test/live"
)

// swaksArgs are common to all ways of using swaks. It ends the last line itself.
func swaksArgs(p *peers, user string, l letter, port int, more ...string) []string {
	return append([]string{
		"--server", "127.0.0.1", "--port", fmt.Sprint(port), "--helo", "client.example.org",
		"--to", user + "@" + live.Domain,
		"--data", "@" + p.file("letter.eml", strings.TrimSuffix(string(l.text), "\r\n"), 0o600), "--suppress-data",
	}, more...)
}

func sendSwaks(p *peers, user string, l letter) {
	p.Helper()
	p.run(nil, "swaks", swaksArgs(p, user, l, p.server.Port(config.SMTP), "--from", "sender@example.org")...)
}

func sendSwaksLMTP(p *peers, user string, l letter) {
	p.Helper()
	p.run(nil, "swaks", swaksArgs(p, user, l, p.server.Port(config.LMTP), "--from", "sender@example.org", "--protocol", "LMTP")...)
}

// sendSwaksSubmission logs in after STARTTLS, in each of the ways that there are.
func sendSwaksSubmission(p *peers, user string, l letter) {
	p.Helper()
	mechanism := "PLAIN"
	if len(l.name)%2 == 0 {
		mechanism = "LOGIN"
	}
	p.run(nil, "swaks", swaksArgs(p, user, l, p.server.Port(config.Submission), "--tls",
		"--from", user+"@"+live.Domain, "--auth", mechanism, "--auth-user", user+"@"+live.Domain, "--auth-password", live.Password)...)
}

func sendCurl(p *peers, user string, l letter) {
	p.Helper()
	p.run(l.text, "curl", "--silent", "--show-error", "--cacert", p.certificate(),
		"--url", fmt.Sprintf("smtps://localhost:%d/client.example.org", p.server.Port(config.Submissions)),
		"--user", user+"@"+live.Domain+":"+live.Password,
		"--mail-from", user+"@"+live.Domain, "--mail-rcpt", user+"@"+live.Domain, "--upload-file", "-")
}

const smtplib = `
import smtplib, ssl, sys
port, cert, user, password, name = sys.argv[1:]
with smtplib.SMTP('localhost', int(port)) as s:
    s.starttls(context=ssl.create_default_context(cafile=cert))
    s.login(user, password)
    refused = s.sendmail(user, [user], open(name, 'rb').read(), ['BODY=8BITMIME'])
    assert not refused, refused
`

func sendSMTPLib(p *peers, user string, l letter) {
	p.Helper()
	p.run(nil, "python3", "-c", smtplib, fmt.Sprint(p.server.Port(config.Submission)), p.certificate(),
		user+"@"+live.Domain, live.Password, p.file("letter.eml", string(l.text), 0o600))
}

// sendMsmtp is what local programs use for sendmail. It takes LF at the ends of lines.
func sendMsmtp(p *peers, user string, l letter) {
	p.Helper()
	p.run(bytes.ReplaceAll(l.text, []byte("\r\n"), []byte("\n")), "msmtp", "--file=", "--host=localhost", fmt.Sprintf("--port=%d", p.server.Port(config.Submission)),
		"--tls=on", "--tls-starttls=on", "--tls-trust-file="+p.certificate(), "--auth=plain", "--user="+user+"@"+live.Domain,
		"--passwordeval=echo "+live.Password, "--from="+user+"@"+live.Domain, "--", user+"@"+live.Domain)
}

const nodemailer = `
const [port, user, password, name] = process.argv.slice(1)
const transport = require('/opt/posthorn-test/node/node_modules/nodemailer').createTransport({
	host: 'localhost', port, secure: true, auth: { user, pass: password }, tls: { ca: require('fs').readFileSync(process.env.SSL_CERT_FILE) },
})
transport.sendMail({ envelope: { from: user, to: user }, raw: require('fs').readFileSync(name) }).catch(e => { console.error(e); process.exit(1) })
`

func sendNodemailer(p *peers, user string, l letter) {
	p.Helper()
	p.run(nil, "node", "-e", nodemailer, fmt.Sprint(p.server.Port(config.Submissions)),
		user+"@"+live.Domain, live.Password, p.file("letter.eml", string(l.text), 0o600))
}
