package exchange

import (
	"crypto/tls"
	"fmt"
	"net/textproto"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/config"
	"posthorn/internal/smtpclient"
	"posthorn/test/live"
)

// posthorn is ours.
type posthorn struct {
	*machine
	*live.Server
	domain string
}

func (w *world) posthorn(name string, number int, users ...string) *posthorn {
	w.Helper()
	m := w.plug(name, number)
	p := &posthorn{machine: m, domain: name + ".test"}
	p.Server = live.Install(w, live.Options{Binary: binary, Users: users, Domain: p.domain, Bind: m.ip, Within: m.on()})
	p.Start(w)
	w.Cleanup(func() {
		p.Stop(w)
		p.Verify(w)
	})
	return p
}

// strangersTLS encrypts, and asks nobody for proof: the certificates are all
// self-signed.
var strangersTLS = &tls.Config{InsecureSkipVerify: true}

// submit hands in a message as one of the users, and wants it accepted.
func (p *posthorn) submit(l letter) {
	p.Helper()
	from := addr.Address{Local: l.from, Domain: p.domain}
	p.send(l, from, p.Addr(config.Submission), smtpclient.Options{
		Hostname: "pc.test", TLS: smtpclient.TLSRequired, TLSConfig: strangersTLS,
		Auth: &smtpclient.Credentials{User: from.String(), Password: live.Password},
	})
}

// inbox takes all messages out of somebody's INBOX, with LF, by POP3.
func (p *posthorn) inbox(user string) (all []string) {
	p.Helper()
	nc, err := tls.Dial("tcp", p.Addr(config.POP3S), strangersTLS)
	p.must(err)
	c := textproto.NewConn(nc)
	defer c.Close()
	ask := func(command string) string {
		if command != "" {
			p.must(c.PrintfLine("%s", command))
		}
		line, err := c.ReadLine()
		p.must(err)
		if !strings.HasPrefix(line, "+OK") {
			p.Fatalf("%s: POP3: %s: %s", p.domain, command, line)
		}
		return line
	}
	ask("")
	ask("USER " + user + "@" + p.domain)
	ask("PASS " + live.Password)
	var n, size int
	_, err = fmt.Sscanf(ask("STAT"), "+OK %d %d", &n, &size)
	p.must(err)
	for i := range n {
		ask(fmt.Sprintf("RETR %d", i+1))
		lines, err := c.ReadDotLines()
		p.must(err)
		all = append(all, strings.Join(lines, "\n")+"\n")
		ask(fmt.Sprintf("DELE %d", i+1))
	}
	ask("QUIT")
	return all
}

func (p *posthorn) name() string { return p.domain }

// command runs one of posthorn's own commands.
func (p *posthorn) command(args ...string) string {
	p.Helper()
	out, err := p.Command(append(args, "--config", p.Config)...)
	if err != nil {
		p.Fatalf("posthorn %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
