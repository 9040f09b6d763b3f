package relay

import (
	"context"
	"crypto/tls"
	"io"
	"net/netip"
	"strings"
	"testing"

	"posthorn/internal/addr"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/directory"
	"posthorn/internal/inbound"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/login"
	"posthorn/internal/outbound"
	"posthorn/internal/queue"
	"posthorn/internal/smtpclient"
	"posthorn/internal/smtpd"
	"posthorn/internal/store"
	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// server is one mail server: that of a domain, mail.DOMAIN, at one address.
type server struct {
	t      *testing.T
	net    *internet
	domain string
	ip     string
	store  *store.Store
	dir    *directory.Directory
	queue  *queue.Queue
	client *tls.Config // trusts it
}

const password = "secret"

// newServer starts a server with these users, in this world. Its own domain's mail,
// like notifications to its users, comes back to it by LMTP. change may change how
// mail leaves it.
func newServer(t *testing.T, n *internet, domain, ip string, users []string, change func(*outbound.Options)) *server {
	s := &server{t: t, net: n, domain: domain, ip: ip}
	engine, blobs := memkv.New(memkv.Options{}), memblob.New(memblob.Options{})
	s.store = store.New(store.Options{Engine: engine, Blobs: blobs})
	s.dir = directory.New(engine, directory.Options{Hash: directory.HashParams{Memory: 8, Passes: 1, Threads: 1}})
	t.Cleanup(s.dir.Close)
	_, err := s.dir.AddDomain(t.Context(), domain)
	s.must(err)
	for _, user := range users {
		_, err := s.dir.AddAccount(t.Context(), s.address(user), password)
		s.must(err)
	}
	s.listen()

	o := outbound.Options{
		Hostname: "mail." + domain, Resolver: n.dns.Resolver(), Dial: n.dial,
		Ours:   func(ip netip.Addr) bool { return ip.String() == s.ip },
		Routes: []outbound.Route{{Domains: []string{domain}, Transport: outbound.LMTP, Hosts: []string{ip}}},
	}
	if change != nil {
		change(&o)
	}
	out := outbound.New(o)
	s.queue = queue.New(queue.Options{Engine: engine, Blobs: blobs, Settings: queue.Settings{Hostname: "mail." + domain, Postmaster: s.address("postmaster")}})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.queue.Run(ctx, out.Deliver) }()
	t.Cleanup(func() {
		stop()
		s.must(<-done)
		out.Close()
	})
	return s
}

// listen opens the doors: 25 is for other servers, 587 for users, 24 for LMTP.
func (s *server) listen() {
	acceptor := inbound.New(inbound.Options{
		Hostname: "mail." + s.domain, Policy: inbound.DefaultPolicy(), Directory: s.dir, Store: s.store, Relay: true,
	})
	serverTLS, clientTLS := wiretest.TLS(s.t)
	s.client = clientTLS
	for port, role := range map[string]inbound.Role{"25": inbound.MX, "587": inbound.Submission, "24": inbound.LMTP} {
		o := smtpd.Options{Role: role, Hostname: "mail." + s.domain, Acceptor: acceptor, Gate: login.New(login.Options{Directory: s.dir})}
		w := wire.Options{Protocol: "smtp", Serve: smtpd.New(o).Serve, PreAuthTimeout: smtpd.Timeout, Busy: smtpd.Busy}
		if role != inbound.LMTP {
			w.TLS = serverTLS
		}
		s.net.listen(s.ip+":"+port, wiretest.Start(s.t, w).Dial)
	}
}

func (s *server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) address(user string) addr.Address {
	return addr.Address{Local: user, Domain: s.domain}
}

// submit hands a message in, as a user's program does.
func (s *server) submit(user, text string, change func(*smtpclient.Message), to ...string) []smtpclient.Outcome {
	s.t.Helper()
	nc, err := s.net.dial(s.t.Context(), netip.Addr{}, "tcp", s.ip+":587")
	s.must(err)
	c, err := smtpclient.Open(s.t.Context(), nc, smtpclient.Options{
		Hostname: "client.test", TLS: smtpclient.TLSVerified, TLSConfig: s.client,
		Auth: &smtpclient.Credentials{User: s.address(user).String(), Password: password},
	})
	s.must(err)
	defer c.Quit(s.t.Context())
	text = strings.ReplaceAll(text, "\n", "\r\n")
	m := &smtpclient.Message{From: s.address(user), Size: int64(len(text))}
	for _, to := range to {
		a, err := addr.Parse(to)
		s.must(err)
		m.To = append(m.To, smtpclient.Recipient{To: a})
	}
	if change != nil {
		change(m)
	}
	return c.Send(s.t.Context(), m, strings.NewReader(text))
}

// inbox gives all messages in a user's INBOX, the oldest first.
func (s *server) inbox(user string) []string {
	s.t.Helper()
	ctx := s.t.Context()
	a, err := s.dir.Account(ctx, s.address(user))
	s.must(err)
	account := s.store.Account(store.AccountID(a.ID))
	snap, err := account.Snapshot(ctx, store.InboxID)
	s.must(err)
	var all []string
	for seq := 1; seq <= snap.Len(); seq++ {
		body, err := account.Body(ctx, snap, snap.At(seq).UID)
		s.must(err)
		text, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
		s.must(err)
		s.must(body.Close())
		all = append(all, strings.ReplaceAll(string(text), "\r\n", "\n"))
	}
	return all
}

// queued is how many recipients are waiting.
func (s *server) queued() int {
	s.t.Helper()
	n := 0
	s.must(s.queue.List(s.t.Context(), queue.Filter{}, func(st queue.Status) bool {
		n += len(st.Matching)
		return true
	}))
	return n
}
