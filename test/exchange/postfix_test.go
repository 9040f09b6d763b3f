package exchange

import (
	"os"
	"path/filepath"
	"strings"
)

// postfix is Debian's, with one user and none of the system's settings.
type postfix struct {
	*machine
	dir, domain string
}

func (w *world) postfix(name string, number int, user string) *postfix {
	w.Helper()
	p := &postfix{machine: w.plug(name, number), domain: name + ".test"}
	p.dir = w.shortDir()
	for _, sub := range []string{"etc", "spool", "data", "mail"} {
		w.must(os.MkdirAll(filepath.Join(p.dir, sub), 0o755))
	}
	w.must(system("chown postfix " + p.dir + "/data"))
	w.must(system("chown nobody " + p.dir + "/mail"))
	w.certificate(p.dir, "mail."+p.domain)
	fill := strings.NewReplacer("DIR", p.dir, "DOMAIN", p.domain, "USER", user, "TESTER", nameServer)
	w.write(p.dir+"/etc/main.cf", fill.Replace(mainCF))
	w.write(p.dir+"/etc/master.cf", masterCF)
	p.run("", "postfix", "-c", p.dir+"/etc", "start")
	w.Cleanup(func() {
		if w.Failed() {
			w.log(p.dir + "/log")
		}
		p.run("", "postfix", "-c", p.dir+"/etc", "stop")
	})
	return p
}

func (p *postfix) name() string { return p.domain }

func (p *postfix) submit(l letter) {
	p.Helper()
	p.hand(l, p.domain)
}

func (p *postfix) inbox(user string) []string {
	p.Helper()
	return p.maildir(p.dir + "/mail/" + user)
}

const mainCF = `
compatibility_level = 3.6
queue_directory = DIR/spool
data_directory = DIR/data
maillog_file = DIR/log
maillog_file_prefixes = /tmp
multi_instance_enable = no
myhostname = mail.DOMAIN
mydestination =
mynetworks = TESTER/32
inet_protocols = ipv4
virtual_mailbox_domains = DOMAIN
virtual_mailbox_maps = inline:{ { USER@DOMAIN = USER/ } }
virtual_mailbox_base = DIR/mail
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_tls_cert_file = DIR/cert.pem
smtpd_tls_key_file = DIR/key.pem
smtpd_tls_security_level = may
smtp_tls_security_level = may
smtp_dns_support_level = enabled
smtputf8_enable = yes
message_size_limit = 50000000
smtpd_peername_lookup = no
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
in_flow_delay = 0
alias_maps =
local_transport = error:there are no local users
`

const masterCF = `
smtp      inet  n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`
