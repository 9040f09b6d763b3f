package torture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/internal/config"
)

// far is the mail server of everybody elsewhere: all mail for other domains goes
// there. It writes down who has got what.
type far struct {
	listener net.Listener
	conns    sync.WaitGroup

	mu     sync.Mutex
	dice   *rand.Rand
	life   int              // the server's, of which there is one for each round
	taken  map[string][]int // by recipient, who gets one message only: in which lives it was taken
	asked  map[string]bool  // acknowledged: must be taken
	sent   int
	record map[string]bool // the server has put on record that it was taken
}

const (
	farDomains = 7
	// settleTime is what a server may take until everything has arrived. On a database
	// it waits for the turn of the one that was killed to be over.
	settleTime = 2 * time.Minute
)

func newFar(t *testing.T, seed uint64) *far {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &far{listener: l, dice: rand.New(rand.NewPCG(seed, 3)), taken: map[string][]int{}, asked: map[string]bool{}, record: map[string]bool{}}
	f.conns.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			f.conns.Go(func() { f.serve(nc) })
		}
	})
	t.Cleanup(func() { l.Close(); f.conns.Wait() })
	return f
}

// route brings all mail for other domains there, and tries again soon.
func (f *far) route(c *config.Config) {
	c.Relay.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c.Queue.Retry = []time.Duration{time.Second}
	c.Routes = []config.Route{{Domains: []string{"*"}, Transport: config.SmartHost, Hosts: []string{f.listener.Addr().String()}, TLS: config.Never}}
}

// chance says yes once in n times.
func (f *far) chance(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dice.IntN(n) == 0
}

// serve is one session. Now and then it refuses for now, takes its time, or hangs up
// without a word about a message, which it then has not taken.
func (f *far) serve(nc net.Conn) {
	defer nc.Close()
	r := bufio.NewReader(nc)
	say := func(reply string) { fmt.Fprintf(nc, "%s\r\n", reply) } // who has gone is noticed by the next read
	var to []string
	say("220 far.test")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, rest, _ := strings.Cut(strings.TrimSpace(line), " "); {
		case verb == "EHLO":
			say("250-far.test\r\n250 PIPELINING")
		case verb == "MAIL":
			to = nil
			say("250 OK")
		case verb == "RCPT" && f.chance(10):
			say("450 4.2.0 Not now")
		case verb == "RCPT":
			address, _, _ := strings.Cut(strings.TrimPrefix(rest, "TO:<"), ">")
			to = append(to, address)
			say("250 OK")
		case verb == "DATA" && len(to) == 0:
			say("554 5.5.1 For whom?")
		case verb == "DATA":
			say("354 Go on")
			if !skip(r) || f.chance(20) {
				return
			}
			f.take(to)
			say("250 OK")
		case verb == "QUIT":
			say("221 Bye")
			return
		default:
			say("250 OK")
		}
	}
}

// skip reads a message, and says whether it was whole.
func skip(r *bufio.Reader) bool {
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == ".\r\n" {
			return err == nil
		}
	}
}

func (f *far) take(to []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, address := range to {
		f.taken[address] = append(f.taken[address], f.life)
	}
}

// address names a recipient of one message.
func (f *far) address(dice *rand.Rand) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent++
	return fmt.Sprintf("u%d@d%d.far.test", f.sent, dice.IntN(farDomains))
}

// relay hands messages for one to four recipients elsewhere in, until the server is
// gone.
func (w *world) relay(dice *rand.Rand) error {
	c, err := dial(w.smtp, false)
	if err != nil {
		return err
	}
	defer c.close()
	if _, err := c.smtp("", "2"); err != nil {
		return err
	}
	if _, err := c.smtp("EHLO torture.test\r\n", "2"); err != nil {
		return err
	}
	for range maxOps {
		to := make([]string, 1+dice.IntN(4))
		envelope := "MAIL FROM:<>\r\n" // nobody is told of anything
		for i := range to {
			to[i] = w.far.address(dice)
			envelope += "RCPT TO:<" + to[i] + ">\r\n"
		}
		for command := range strings.Lines(envelope) {
			if _, err := c.smtp(command, "2"); err != nil {
				return err
			}
		}
		if _, err := c.smtp("DATA\r\n", "3"); err != nil {
			return err
		}
		if _, err := c.smtp(strings.ReplaceAll(message("far", size(dice)), "\r\n.", "\r\n..")+".\r\n", "2"); err != nil {
			return err
		}
		w.far.acknowledged(to)
	}
	return nil
}

func (f *far) acknowledged(to []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, address := range to {
		f.asked[address] = true
	}
}

// next begins another life of the server: what its log says of the last one, is on
// record.
func (f *far) next(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.life++
	for line := range bytes.Lines(text) {
		var e struct{ Msg, To string }
		if json.Unmarshal(line, &e) == nil && e.Msg == "delivered" && strings.HasSuffix(e.To, ".far.test") {
			f.record[e.To] = true
		}
	}
}

// settle waits until everything that was acknowledged has arrived, and looks for what
// has come again without need.
func (f *far) settle(t *testing.T, round int) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		missing := f.missing()
		if len(missing) == 0 {
			break
		}
		if time.Since(start) > settleTime {
			t.Errorf("round %d: %d recipients elsewhere have not got what was acknowledged: %.300v", round, len(missing), missing)
			break
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for address, lives := range f.taken {
		first := lives[0]
		for _, life := range lives[1:] {
			switch {
			case life == first:
				t.Errorf("round %d: %s has got its message twice from one server", round, address)
			case life == f.life && f.record[address]:
				t.Errorf("round %d: %s has got its message again, though it was on record that it had it", round, address)
			}
		}
	}
	t.Logf("round %d: %d recipients elsewhere were promised a message, %d were on record", round, len(f.asked), len(f.record))
}

func (f *far) missing() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for address := range f.asked {
		if len(f.taken[address]) == 0 {
			all = append(all, address)
		}
	}
	return all
}
