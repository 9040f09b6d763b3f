package exchange

import (
	"os"
	"path/filepath"
	"strings"
)

// exim is Debian's, with one user and none of the system's settings.
type exim struct {
	*machine
	dir, domain string
}

// eximProgram is where test/deps puts it: it cannot be installed beside Postfix.
const eximProgram = "/opt/posthorn-test/exim/usr/sbin/exim4"

func (w *world) exim(name string, number int, user string) *exim {
	w.Helper()
	e := &exim{machine: w.plug(name, number), domain: name + ".test"}
	e.dir = w.shortDir()
	for _, sub := range []string{"spool", "log", "mail"} {
		w.must(os.MkdirAll(filepath.Join(e.dir, sub), 0o755))
	}
	w.certificate(e.dir, "mail."+e.domain)
	w.must(system("chown -R Debian-exim " + e.dir))
	fill := strings.NewReplacer("EXIM", eximProgram, "DIR", e.dir, "DOMAIN", e.domain, "USER", user, "TESTER", nameServer)
	w.write(e.dir+"/exim.conf", fill.Replace(eximConf))
	// It keeps what it writes to open, so that must not be a pipe to us.
	e.run("", "sh", "-c", eximProgram+" -C "+e.dir+"/exim.conf -bd -q1s >"+e.dir+"/log/start 2>&1")
	w.Cleanup(func() {
		if w.Failed() {
			w.log(e.dir + "/log/start")
			w.log(e.dir + "/log/mainlog")
		}
		pid, err := os.ReadFile(e.dir + "/spool/exim-daemon.pid")
		w.must(err)
		e.run("", "kill", strings.TrimSpace(string(pid)))
	})
	return e
}

func (e *exim) name() string { return e.domain }

func (e *exim) submit(l letter) {
	e.Helper()
	e.hand(l, e.domain)
}

func (e *exim) inbox(user string) []string {
	e.Helper()
	return e.maildir(e.dir + "/mail/" + user)
}

const eximConf = `
exim_path = EXIM
primary_hostname = mail.DOMAIN
spool_directory = DIR/spool
log_file_path = DIR/log/%slog
pid_file_path = DIR/spool/exim-daemon.pid
daemon_smtp_ports = 25
tls_advertise_hosts = *
tls_certificate = DIR/cert.pem
tls_privatekey = DIR/key.pem
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
deliver_drop_privilege = true
message_size_limit = 50M
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
log_selector = -queue_run
allow_utf8_domains = true
acl_smtp_rcpt = rcpt
domainlist ours = DOMAIN

begin acl
rcpt:
  accept hosts = TESTER
  accept domains = +ours
         verify = recipient
  deny   message = relay not permitted

begin routers
others:
  driver = dnslookup
  domains = ! +ours
  transport = remote
  no_more
users:
  driver = accept
  local_parts = USER
  transport = mailbox

begin transports
remote:
  driver = smtp
  dane_require_tls_ciphers =
mailbox:
  driver = appendfile
  directory = DIR/mail/$local_part_data
  maildir_format
  return_path_add
  create_directory

begin retry
* * F,1h,1s
`
