package torture

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"posthorn/internal/config"
	"posthorn/internal/kv/pgkv/pgtest"
	"posthorn/test/live"
)

var (
	rounds = flag.Int("rounds", 1, "how often the server is killed, on each engine")
	seed   = flag.Uint64("seed", rand.Uint64(), "of everything random but the server")
	binary string
)

const (
	domain   = live.Domain
	password = live.Password
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "posthorn-torture")
	if err == nil {
		defer os.RemoveAll(dir)
		binary, err = live.Build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return pgtest.Main(m)
}

func TestPebble(t *testing.T) { torture(t, "") }

func TestPostgres(t *testing.T) {
	server := pgtest.Start(t)
	torture(t, server.DSN(server.NewDatabase(t)))
}

// world is an installation, the clients that work on it, and what they have been told.
type world struct {
	server                   *live.Server
	smtp, lmtp, imaps, pop3s string
	users                    []string // of IMAP, and those of POP3; mail is sent to both
	poppers                  []string
	ledger                   *ledger
	editors                  []*editor
	pops                     []*popper
	far                      *far
	proven                   map[string]bool // messages whose text was read back whole
}

func newWorld(t *testing.T, dsn string) *world {
	w := &world{users: []string{"alice", "bob", "carol"}, poppers: []string{"paul", "petra"}, ledger: newLedger(), proven: map[string]bool{}}
	w.far = newFar(t, *seed)
	w.server = live.Install(t, live.Options{
		Binary: binary, DSN: dsn, Users: append(append([]string{}, w.users...), w.poppers...), Change: w.far.route,
	})
	w.smtp, w.lmtp = w.server.Addr(config.SMTP), w.server.Addr(config.LMTP)
	w.imaps, w.pop3s = w.server.Addr(config.IMAPS), w.server.Addr(config.POP3S)
	for n, user := range []string{"alice", "carol", "carol"} { // two share an account
		w.editors = append(w.editors, newEditor(user, n))
	}
	for _, user := range w.poppers {
		w.pops = append(w.pops, &popper{user: user, deleted: map[token]bool{}})
	}
	return w
}

func torture(t *testing.T, dsn string) {
	w := newWorld(t, dsn)
	dice := rand.New(rand.NewPCG(*seed, 1))
	t.Logf("seed %d", *seed)
	w.server.Start(t)
	for round := 1; round <= *rounds; round++ {
		w.round(t, round, dice)
		if t.Failed() {
			return
		}
	}
	w.server.Stop(t)
	w.server.Verify(t)
}

// round works, kills, verifies and counts.
func (w *world) round(t *testing.T, round int, dice *rand.Rand) {
	before := w.acknowledged()
	life := 50*time.Millisecond + time.Duration(dice.Int64N(int64(2*time.Second)))
	var clients sync.WaitGroup
	dead := make(chan struct{})
	w.drive(t, &clients, dead, dice)
	// On a busy machine it takes a while until the clients are at work.
	for start := time.Now(); w.acknowledged() == before && time.Since(start) < opTime; {
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(life)
	close(dead)
	w.server.Kill()
	clients.Wait()
	w.far.next(t, w.server.Dir)

	stopped := round%2 == 1 // verify knows both a stopped store and a running server
	if stopped {
		w.server.Verify(t)
	}
	w.server.Start(t)
	if !stopped {
		w.server.Verify(t)
	}
	if err := w.count(); err != nil {
		t.Errorf("round %d: counting: %v", round, err)
	}
	w.far.settle(t, round)
	w.report(t, round)
	t.Logf("round %d: killed after %v with %d deliveries acknowledged, %d before",
		round, life.Round(time.Millisecond), w.acknowledged(), before)
	if w.acknowledged() == before {
		t.Errorf("round %d: nothing was acknowledged: the load was no load", round)
	}
}

// drive starts all clients. They end when the server is gone; one that ends before
// has been refused something, or was cut off without reason.
func (w *world) drive(t *testing.T, clients *sync.WaitGroup, dead <-chan struct{}, dice *rand.Rand) {
	start := func(name string, work func(*rand.Rand) error) {
		own := rand.New(rand.NewPCG(dice.Uint64(), 2))
		clients.Go(func() {
			err := work(own)
			if err == nil {
				return // it has done all that it may
			}
			select {
			case <-dead:
				if !errors.Is(err, errRefused) {
					return
				}
			default:
			}
			t.Errorf("%s ended early: %v", name, err)
		})
	}
	everyone := append(append([]string{}, w.users...), w.poppers...)
	for range 3 {
		start("smtp", func(dice *rand.Rand) error { return w.send("smtp", everyone, dice) })
	}
	start("lmtp", func(dice *rand.Rand) error { return w.send("lmtp", everyone, dice) })
	for range 2 {
		start("relay", w.relay)
	}
	for _, e := range w.editors {
		start("imap "+e.work, func(dice *rand.Rand) error { return w.edit(e, dice) })
	}
	for _, p := range w.pops {
		start("pop3 "+p.user, func(dice *rand.Rand) error { return w.pop(p, dice) })
	}
	for _, user := range everyone {
		start("watch "+user, func(*rand.Rand) error { return w.watch(user) })
	}
}

// acknowledged is the number of messages that some recipient certainly has.
func (w *world) acknowledged() (n int) {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	for _, d := range w.ledger.sent {
		for _, user := range d.to {
			if d.acked[user] {
				n++
				break
			}
		}
	}
	return n
}

// report fails the test for every problem that was noted.
func (w *world) report(t *testing.T, round int) {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	for i, problem := range w.ledger.problems {
		if i == 30 {
			t.Errorf("round %d: and %d problems more", round, len(w.ledger.problems)-i)
			break
		}
		t.Errorf("round %d: %s", round, problem)
	}
	w.ledger.problems = nil
}
