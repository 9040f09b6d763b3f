package peers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthorn/internal/config"
	"posthorn/internal/openid/openidtest"
	"posthorn/test/live"
)

// visitor is a program that logs in, and fails if it cannot. Its user can log in with one
// mechanism only, so that it is certain which it was.
type visitor struct {
	mechanism string
	visit     func(v *visit)
}

// visit is one of them at work.
type visit struct {
	*peers
	user  string // address
	token string // an access token
}

func visitors() map[string]visitor {
	return map[string]visitor{
		"msmtp-scram-sha-256": {"SCRAM-SHA-256", (*visit).msmtp},
		"msmtp-scram-sha-1":   {"SCRAM-SHA-1", (*visit).msmtp},
		"msmtp-cram-md5":      {"CRAM-MD5", (*visit).msmtp},
		"msmtp-oauthbearer":   {"OAUTHBEARER", (*visit).msmtp},
		"msmtp-xoauth2":       {"XOAUTH2", (*visit).msmtp},
		"msmtp-external":      {"EXTERNAL", (*visit).msmtp},
		"msmtp-plain":         {"PLAIN", (*visit).msmtp},
		"msmtp-login":         {"LOGIN", (*visit).msmtp},

		"gsasl-smtp-scram-sha-256-plus": {"SCRAM-SHA-256-PLUS", func(v *visit) { v.gsasl("--smtp", config.Submission) }},
		"gsasl-imap-scram-sha-1-plus":   {"SCRAM-SHA-1-PLUS", func(v *visit) { v.gsasl("--imap", config.IMAP) }},

		"mbsync-scram-sha-256": {"SCRAM-SHA-256", (*visit).mbsyncs},
		"mbsync-scram-sha-1":   {"SCRAM-SHA-1", (*visit).mbsyncs},
		"mbsync-cram-md5":      {"CRAM-MD5", (*visit).mbsyncs},
		"mbsync-plain":         {"PLAIN", (*visit).mbsyncs},

		"mutt-scram-sha-256": {"SCRAM-SHA-256", (*visit).mutts},
		"mutt-cram-md5":      {"CRAM-MD5", (*visit).mutts},
		"mutt-oauthbearer":   {"OAUTHBEARER", (*visit).mutts},

		"fetchmail-apop":     {"APOP", func(v *visit) { v.fetchmail("APOP", "any", config.POP3S) }},
		"fetchmail-cram-md5": {"CRAM-MD5", func(v *visit) { v.fetchmail("IMAP", "cram-md5", config.IMAPS) }},
		"fetchmail-external": {"EXTERNAL", func(v *visit) { v.fetchmail("IMAP", "external", config.IMAPS) }},

		"curl-smtp-oauthbearer": {"OAUTHBEARER", (*visit).curlSMTP},
		"curl-smtp-cram-md5":    {"CRAM-MD5", (*visit).curlSMTP},
		"curl-smtp-external":    {"EXTERNAL", (*visit).curlSMTP},
		"curl-imap-oauthbearer": {"OAUTHBEARER", func(v *visit) { v.curls("imaps", config.IMAPS) }},
		"curl-imap-external":    {"EXTERNAL", func(v *visit) { v.curls("imaps", config.IMAPS) }},
		"curl-imap-cram-md5":    {"CRAM-MD5", func(v *visit) { v.curls("imaps", config.IMAPS) }},
		"curl-pop3-oauthbearer": {"OAUTHBEARER", func(v *visit) { v.curls("pop3s", config.POP3S) }},
		"curl-pop3-external":    {"EXTERNAL", func(v *visit) { v.curls("pop3s", config.POP3S) }},
		"curl-pop3-apop":        {"APOP", func(v *visit) { v.curls("pop3s", config.POP3S) }},
		"curl-pop3-cram-md5":    {"CRAM-MD5", func(v *visit) { v.curls("pop3s", config.POP3S) }},

		"smtplib-cram-md5": {"CRAM-MD5", func(v *visit) { v.python(pythonSMTP, config.Submissions) }},
		"imaplib-cram-md5": {"CRAM-MD5", func(v *visit) { v.python(pythonIMAPCram, config.IMAPS) }},
		"imaplib-xoauth2":  {"XOAUTH2", func(v *visit) { v.python(pythonIMAPToken, config.IMAPS) }},
		"poplib-apop":      {"APOP", func(v *visit) { v.python(pythonAPOP, config.POP3S) }},

		"nodemailer-xoauth2":   {"XOAUTH2", func(v *visit) { v.node(nodemailerToken, config.Submissions) }},
		"imapflow-oauthbearer": {"OAUTHBEARER", func(v *visit) { v.node(imapflowToken, config.IMAPS) }},
	}
}

// TestLogins lets programs log in with every mechanism that they have.
func TestLogins(t *testing.T) {
	var users []string
	for name := range visitors() {
		users = append(users, name)
	}
	provider := openidtest.New(t)
	dir := t.TempDir()
	ca := newAuthority(t, filepath.Join(dir, "ca.pem"))
	id := filepath.Join(dir, "id.pem")
	if err := os.WriteFile(id, provider.Certificate(), 0o600); err != nil {
		t.Fatal(err)
	}
	s := live.Install(t, live.Options{Binary: binary, Users: users, Change: func(c *config.Config) {
		c.OpenID = config.OpenID{Issuer: provider.Issuer(), Audience: "mail", CA: id}
		for i := range c.Listeners {
			if l := &c.Listeners[i]; l.Protocol.LogsIn() {
				l.Mechanisms, l.ClientCertificates = config.Mechanisms(), filepath.Join(dir, "ca.pem")
			}
		}
	}})
	s.Start(t)
	t.Cleanup(func() { s.Stop(t) })
	for name, one := range visitors() {
		t.Run(name, func(t *testing.T) {
			v := &visit{&peers{t, s, t.TempDir()}, name + "@" + live.Domain, ""}
			v.token = provider.Token(map[string]any{"iss": provider.Issuer(), "aud": "mail", "email": v.user, "exp": time.Now().Add(time.Hour).Unix()})
			v.file("client.pem", string(ca.issue(t, v.user)), 0o600)
			var off []string
			for _, m := range config.Mechanisms() {
				if m != one.mechanism {
					off = append(off, m)
				}
			}
			v.posthorn("", "account", "mechanisms", v.user, "--off", strings.Join(off, ","))
			if one.mechanism == "CRAM-MD5" || one.mechanism == "APOP" {
				v.posthorn(live.Password+"\n", "account", "shared-secret", v.user, "--password-file", "-")
			}
			one.visit(v)
		})
	}
	s.Verify(t)
}

func (v *visit) posthorn(input string, args ...string) {
	v.Helper()
	v.run([]byte(input), binary, append(args, "--config", v.server.Config)...)
}

// mechanism is that of the test's name: "msmtp-scram-sha-1".
func (v *visit) mechanism() string {
	for _, m := range config.Mechanisms() {
		if strings.HasSuffix(v.Name(), "-"+strings.ToLower(m)) {
			return m
		}
	}
	v.Fatalf("no mechanism in %s", v.Name())
	return ""
}

// secret is what the program has for a password.
func (v *visit) secret() string {
	if m := v.mechanism(); m == "OAUTHBEARER" || m == "XOAUTH2" {
		return v.token
	}
	return live.Password
}

func (v *visit) msmtp() {
	v.Helper()
	args := []string{
		"--file=", "--host=localhost", fmt.Sprintf("--port=%d", v.server.Port(config.Submission)), "--tls=on", "--tls-starttls=on",
		"--tls-trust-file=" + v.certificate(), "--auth=" + strings.ToLower(v.mechanism()), "--user=" + v.user,
		"--passwordeval=cat " + v.file("secret", v.secret()+"\n", 0o600), "--from=" + v.user,
	}
	if v.mechanism() == "EXTERNAL" {
		args = append(args, "--tls-cert-file="+v.dir+"/client.pem", "--tls-key-file="+v.dir+"/client.pem")
	}
	v.run([]byte("Subject: test\n\ntext\n"), "msmtp", append(args, "--", v.user)...)
}

// gsasl binds to the connection: with tls-exporter under TLS 1.3.
func (v *visit) gsasl(protocol string, listener config.Protocol) {
	v.Helper()
	v.run([]byte(nil), "gsasl", protocol, "--quiet", "--starttls", "--x509-ca-file="+v.certificate(), "--mechanism="+v.mechanism(),
		"--authentication-id="+v.user, "--authorization-id="+v.user, "--password="+live.Password, "--no-client-first",
		fmt.Sprintf("--connect=localhost:%d", v.server.Port(listener)))
}

func (v *visit) mbsyncs() {
	v.Helper()
	if err := os.Mkdir(v.dir+"/near", 0o700); err != nil {
		v.Fatal(err)
	}
	rc := v.file("mbsyncrc", fmt.Sprintf("IMAPAccount a\nHost localhost\nPort %d\nUser \"%s\"\nPass \"%s\"\nSSLType IMAPS\nCertificateFile %s\nAuthMechs %s\n\n"+
		"IMAPStore far\nAccount a\n\nMaildirStore near\nPath %s/near/\nInbox %s/near/INBOX\n\nChannel all\nFar :far:\nNear :near:\nCreate Both\n",
		v.server.Port(config.IMAPS), v.user, live.Password, v.certificate(), v.mechanism(), v.dir, v.dir), 0o600)
	v.run(nil, "mbsync", "--config", rc, "all")
}

func (v *visit) mutts() {
	v.Helper()
	rc := v.file("muttrc", fmt.Sprintf(`set imap_user="%s" imap_pass="%s" certificate_file="%s" imap_authenticators="%s" imap_oauth_refresh_command="cat %s"
set ssl_verify_host=no mbox_type=Maildir quit=yes move=no confirmappend=no confirmcreate=no wait_key=no header_cache="" copy=no sleep_time=0 folder="%s" abort_noattach=no
`, v.user, live.Password, v.certificate(), strings.ToLower(v.mechanism()), v.file("token", v.token+"\n", 0o600), v.dir), 0o600)
	// What mutt writes to a mailbox over IMAP proves that it is in.
	v.deliver()
	keys := v.file("keys", `push "<tag-pattern>~A<enter><tag-prefix><copy-message>`+v.dir+`/copied<enter><exit>"`+"\n", 0o600)
	v.run(nil, "script", "-qec", fmt.Sprintf("mutt -n -F %s -e 'source %s' -f 'imaps://localhost:%d/INBOX'", rc, keys, v.server.Port(config.IMAPS)), v.dir+"/screen")
	if got := append(v.folder("copied/new/*"), v.folder("copied/cur/*")...); len(got) != 1 {
		screen, _ := os.ReadFile(v.dir + "/screen")
		v.Errorf("mutt has copied %d messages\n%s", len(got), tail(screen))
	}
}

// deliver puts a message into the user's INBOX.
func (v *visit) deliver() {
	v.Helper()
	v.run([]byte("Subject: test\r\n\r\ntext\r\n"), "curl", "--silent", "--show-error", "--url", fmt.Sprintf("smtp://127.0.0.1:%d/client.example.org", v.server.Port(config.SMTP)),
		"--mail-from", "sender@example.org", "--mail-rcpt", v.user, "--upload-file", "-")
}

func (v *visit) fetchmail(protocol, auth string, listener config.Protocol) {
	v.Helper()
	v.deliver()
	mda := v.file("mda", "#!/bin/sh\nexec cat >\"$(mktemp "+v.dir+"/mail.XXXXXX)\"\n", 0o700)
	rc := v.file("fetchmailrc", fmt.Sprintf(`set invisible
poll localhost protocol %s service %d auth %s
  user "%s" password "%s" ssl sslcertck sslcertfile "%s" sslcert "%s" sslkey "%s"
  keep fetchall no rewrite mda "%s"
`, protocol, v.server.Port(listener), auth, v.user, live.Password, v.certificate(), v.dir+"/client.pem", v.dir+"/client.pem", mda), 0o600)
	v.run(nil, "fetchmail", "--fetchmailrc", rc, "--nodetach", "--silent", "--pidfile", v.dir+"/pid", "--idfile", v.dir+"/ids")
	if got := v.folder("mail.*"); len(got) != 1 {
		v.Errorf("fetchmail has %d messages", len(got))
	}
}

func (v *visit) curlArgs() []string {
	args := []string{"--silent", "--show-error", "--cacert", v.certificate()}
	switch m := v.mechanism(); m {
	case "OAUTHBEARER", "XOAUTH2":
		return append(args, "--login-options", "AUTH="+m, "--user", v.user, "--oauth2-bearer", v.token)
	case "EXTERNAL":
		return append(args, "--login-options", "AUTH="+m, "--user", v.user+":", "--cert", v.dir+"/client.pem", "--key", v.dir+"/client.pem")
	case "APOP":
		return append(args, "--login-options", "AUTH=+APOP", "--user", v.user+":"+live.Password)
	default:
		return append(args, "--login-options", "AUTH="+m, "--user", v.user+":"+live.Password)
	}
}

func (v *visit) curlSMTP() {
	v.Helper()
	v.run([]byte("Subject: test\r\n\r\ntext\r\n"), "curl", append(v.curlArgs(), "--url", fmt.Sprintf("smtps://localhost:%d/client.example.org", v.server.Port(config.Submissions)),
		"--mail-from", v.user, "--mail-rcpt", v.user, "--upload-file", "-")...)
}

func (v *visit) curls(scheme string, listener config.Protocol) {
	v.Helper()
	v.run(nil, "curl", append(v.curlArgs(), fmt.Sprintf("%s://localhost:%d/", scheme, v.server.Port(listener)))...)
}

const (
	pythonSMTP = `
import smtplib, ssl, sys
port, cert, user, secret = sys.argv[1:]
with smtplib.SMTP_SSL('localhost', int(port), context=ssl.create_default_context(cafile=cert)) as s:
    s.ehlo()
    s.user, s.password = user, secret
    code, text = s.auth('CRAM-MD5', s.auth_cram_md5)
    assert code == 235, (code, text)
`
	pythonIMAPCram = `
import imaplib, ssl, sys
port, cert, user, secret = sys.argv[1:]
with imaplib.IMAP4_SSL('localhost', int(port), ssl_context=ssl.create_default_context(cafile=cert)) as c:
    c.login_cram_md5(user, secret)
    assert c.select('INBOX')[0] == 'OK'
`
	pythonIMAPToken = `
import imaplib, ssl, sys
port, cert, user, secret = sys.argv[1:]
with imaplib.IMAP4_SSL('localhost', int(port), ssl_context=ssl.create_default_context(cafile=cert)) as c:
    c.authenticate('XOAUTH2', lambda _: f'user={user}\x01auth=Bearer {secret}\x01\x01'.encode())
    assert c.select('INBOX')[0] == 'OK'
with imaplib.IMAP4_SSL('localhost', int(port), ssl_context=ssl.create_default_context(cafile=cert)) as c:
    try:
        c.authenticate('XOAUTH2', lambda challenge: b'' if challenge else f'user={user}\x01auth=Bearer wrong\x01\x01'.encode())
        assert False, 'a wrong token is good'
    except imaplib.IMAP4.error:
        pass
`
	pythonAPOP = `
import poplib, ssl, sys
port, cert, user, secret = sys.argv[1:]
c = poplib.POP3_SSL('localhost', int(port), context=ssl.create_default_context(cafile=cert))
c.apop(user, secret)
assert c.stat() == (0, 0)
c.quit()
`
	nodemailerToken = `
const [port, user, token] = process.argv.slice(1)
const transport = require('/opt/posthorn-test/node/node_modules/nodemailer').createTransport({
	host: 'localhost', port, secure: true, auth: { type: 'OAuth2', user, accessToken: token }, tls: { ca: require('fs').readFileSync(process.env.SSL_CERT_FILE) },
})
transport.sendMail({ from: user, to: user, subject: 'test', text: 'text' }).catch(e => { console.error(e); process.exit(1) })
`
	imapflowToken = `
const [port, user, token] = process.argv.slice(1)
const { ImapFlow } = require('/opt/posthorn-test/node/node_modules/imapflow')
const c = new ImapFlow({ host: 'localhost', port, secure: true, auth: { user, accessToken: token }, logger: false, tls: { ca: require('fs').readFileSync(process.env.SSL_CERT_FILE) } })
c.connect().then(() => c.status('INBOX', { messages: true })).then(() => c.logout()).catch(e => { console.error(e); process.exit(1) })
`
)

func (v *visit) python(program string, listener config.Protocol) {
	v.Helper()
	v.run(nil, "python3", "-c", program, fmt.Sprint(v.server.Port(listener)), v.certificate(), v.user, v.secret())
}

func (v *visit) node(program string, listener config.Protocol) {
	v.Helper()
	v.run(nil, "node", "-e", program, fmt.Sprint(v.server.Port(listener)), v.user, v.token)
}

// authority issues certificates to clients.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, file string) *authority {
	t.Helper()
	a := &authority{certificate: &x509.Certificate{Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}}
	text, key := a.sign(t, a.certificate)
	a.key = key
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue gives a certificate for an address, and its key.
func (a *authority) issue(t *testing.T, address string) []byte {
	t.Helper()
	text, key := a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "client"}, EmailAddresses: []string{address}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
}

func (a *authority) sign(t *testing.T, c *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, a.certificate, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key
}
