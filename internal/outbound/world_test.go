package outbound

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/dns/dnstest"
	"posthorn/internal/fault"
	"posthorn/internal/queue"
	"posthorn/internal/smtpclient/smtptest"
)

// world is an internet of a few hosts, in memory: names, and a server at each
// address that has one. At 203.0.113.0/24 nobody ever answers; all other addresses
// refuse connections. 198.51.100.1 is ourselves.
type world struct {
	t       *testing.T
	dns     *dnstest.Server
	servers map[string]*smtptest.Server
	out     *Outbound
	onDial  func()

	mu     sync.Mutex
	dialed []string
	open   int // connections
}

const us = "198.51.100.1"

// newWorld makes a world. servers are rules of smtptest by address; change may
// change the options.
func newWorld(t *testing.T, zone string, servers map[string]string, change func(*Options)) *world {
	w := &world{t: t, dns: dnstest.New(t, zone), servers: map[string]*smtptest.Server{}}
	for ip, rules := range servers {
		w.servers[ip] = smtptest.New(t, rules)
	}
	o := Options{
		Hostname: "our.example.test", Resolver: w.dns.Resolver(), Dial: w.dial,
		Ours: func(ip netip.Addr) bool { return ip.String() == us },
	}
	if change != nil {
		change(&o)
	}
	w.out = New(o)
	t.Cleanup(w.out.Close)
	return w
}

func (w *world) dial(ctx context.Context, from netip.Addr, network, address string) (net.Conn, error) {
	host := address
	if h, port, err := net.SplitHostPort(address); err == nil {
		if host = h; port != "25" {
			host += ":" + port
		}
	}
	note := host
	if from.IsValid() {
		note = from.String() + ">" + host
	}
	w.mu.Lock()
	w.dialed = append(w.dialed, note)
	w.mu.Unlock()
	if w.onDial != nil {
		w.onDial()
	}
	if s := w.servers[host]; s != nil {
		nc, err := s.Dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		w.count(1)
		return &counted{Conn: nc, w: w}, nil
	}
	if strings.HasPrefix(host, "203.0.113.") || strings.HasPrefix(host, "2001:db8:dead:") {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: network, Addr: addrOf(address), Err: os.ErrDeadlineExceeded}
	}
	return nil, &net.OpError{Op: "dial", Net: network, Addr: addrOf(address), Err: syscall.ECONNREFUSED}
}

type addrOf string

func (a addrOf) Network() string { return "tcp" }
func (a addrOf) String() string  { return string(a) }

// counted tells the world when it is closed.
type counted struct {
	net.Conn
	w    *world
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.w.count(-1) })
	return c.Conn.Close()
}

func (w *world) count(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open += n
}

// connections is how many are open.
func (w *world) connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open
}

// dials gives what was dialed since it was asked last.
func (w *world) dials() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.dialed = nil }()
	return strings.Join(w.dialed, " ")
}

const letter = "Subject: x\r\n\r\nHello\r\n"

// mail makes a task of a message to recipients that have one domain.
func mail(to ...string) *task {
	t := &task{message: &queue.Message{
		ID: queue.NewID(time.Now()), From: mailbox("alice@example.test"), Created: time.Now(), Body: queue.Body{Size: int64(len(letter))},
	}}
	for i, to := range to {
		a := mailbox(to)
		t.message.Recipients = append(t.message.Recipients, queue.Recipient{Address: a})
		t.recipients = append(t.recipients, i)
		t.destination = a.Domain
	}
	t.contains(letter)
	return t
}

func (t *task) contains(text string) {
	t.message.Body.Size = int64(len(text))
	t.open = func(context.Context) (queue.Content, error) { return content{bytes.NewReader([]byte(text))}, nil }
}

type content struct{ *bytes.Reader }

func (content) Close() error { return nil }

func mailbox(s string) addr.Address {
	a, err := addr.Parse(s)
	if err != nil {
		panic(err)
	}
	return a
}

// deliver delivers and tells what came of it, one line a recipient; lines that are
// equal but for the recipient are one.
func (w *world) deliver(t *task) string {
	var lines []string
	for _, r := range w.out.deliver(w.t.Context(), t) {
		line := tell(r)
		if len(lines) == 0 || lines[len(lines)-1] != line {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func tell(r queue.Result) string {
	outcome := map[queue.Outcome]string{
		queue.Deferred: "deferred", queue.Unreachable: "unreachable", queue.Accepted: "accepted", queue.Refused: "refused",
	}[r.Outcome]
	text := fmt.Sprintf("%s: %v", outcome, r.Reply)
	if r.Remote != "" {
		text += " (" + r.Remote + ")"
	}
	if r.Notifies {
		text += ", notifies"
	}
	if r.Mailbox {
		text += ", mailbox"
	}
	return text
}

// failing is a message that cannot be opened, or that cannot be read to its end.
func failing(kind string, later bool) func(context.Context) (queue.Content, error) {
	var err error
	for _, k := range fault.Kinds() {
		if k.String() == kind {
			err = fault.New(k, "test: the message is gone")
		}
	}
	return func(context.Context) (queue.Content, error) {
		if later {
			return broken{err}, nil
		}
		return nil, err
	}
}

type broken struct{ err error }

func (b broken) ReadAt([]byte, int64) (int, error) { return 0, b.err }
func (b broken) Size() int64                       { return 1000 }
func (b broken) Close() error                      { return nil }
