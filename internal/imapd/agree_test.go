package imapd

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/internal/kv/enginetest"
	"posthorn/internal/kv/pgkv/pgtest"
	"posthorn/internal/store"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // in which the scripts are written
	os.Exit(pgtest.Main(m))
}

func TestClientsAgreeMem(t *testing.T) { testClientsAgree(t, 8, enginetest.Mem) }

func TestClientsAgreePebble(t *testing.T) { testClientsAgree(t, 4, enginetest.Pebble) }

func TestClientsAgreePostgres(t *testing.T) { testClientsAgree(t, 2, enginetest.Postgres(t)) }

// testClientsAgree lets clients of all kinds work on two mailboxes of alice's at random,
// hers and such of bob's, in turns or all at once. Each keeps a list of messages from
// nothing but what it is told. In the middle the server loses its power. In the end each
// client asks, and the answer must agree with its list, and the list with the store.
func testClientsAgree(t *testing.T, seeds uint64, open enginetest.Open) {
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			on := open()
			w := newWorldOn(t, on.Engine(), 4<<10)
			clients := newListeners(t, w)
			rng := rand.New(rand.NewPCG(seed, 99))
			work(clients, rng, seed%2 == 1)
			for _, c := range clients {
				c.nc.Close()
			}
			on.Crash()
			w = newWorldOn(t, on.Engine(), 4<<10)
			for _, c := range clients {
				c.dial = w.imap.Dial
				c.returns(rng)
			}
			work(clients, rng, seed%2 == 1)
			w.quiet(t, len(clients))
			for _, c := range clients {
				c.settle()
			}
			for _, c := range clients {
				if want := w.standing(t, c.box); c.String() != want {
					t.Errorf("%s, who is %s, knows\n%s, but in %s is\n%s", c.name, c.user, c, c.box, want)
				}
			}
			if _, err := w.store.Verify(t.Context(), func(p store.Problem) { t.Error(p) }); err != nil {
				t.Error(err)
			}
		})
	}
}

// newListeners gives a client of each dialect for each of the mailboxes, alice's and bob's
// in turn.
func newListeners(t *testing.T, w *world) (clients []*listener) {
	names := []string{"INBOX", "Archive"}
	for i, name := range names {
		for range 5 {
			w.deliver("alice", name, "Subject: x\r\n\r\ntext\r\n")
		}
		for k, d := range dialects {
			c := &listener{dialect: d, t: t, dial: w.imap.Dial, user: "alice", box: name, away: names[1-i]}
			if (i+k)%2 == 1 {
				c.user = "bob"
				c.box, c.away = `"Other Users/alice@example.test/`+c.box+`"`, `"Other Users/alice@example.test/`+c.away+`"`
			} else if k < 2 {
				c.connect()
				c.do("SETACL INBOX bob@example.test lrswipkxtea")
				c.do("SETACL Archive bob@example.test lrswipkxtea")
				c.nc.Close()
			}
			clients = append(clients, c)
		}
	}
	for _, c := range clients {
		c.begin()
		t.Cleanup(func() { c.nc.Close() })
	}
	return clients
}

func work(clients []*listener, rng *rand.Rand, together bool) {
	const acts = 600
	if !together {
		for range acts {
			clients[rng.IntN(len(clients))].act(rng)
		}
		return
	}
	var wg sync.WaitGroup
	for _, c := range clients {
		own := rand.New(rand.NewPCG(rng.Uint64(), 1))
		wg.Go(func() {
			for range acts / len(clients) {
				c.act(own)
			}
		})
	}
	wg.Wait()
}

// quiet waits for commands whose clients have been cut off.
func (w *world) quiet(t *testing.T, sessions int) {
	for deadline := time.Now().Add(20 * time.Second); w.imap.Stats().Open > sessions; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions are left of %d clients", w.imap.Stats().Open, sessions)
		}
	}
}

// returns begins a new session: all that the client was told of still holds.
func (c *listener) returns(rng *rand.Rand) {
	c.said = append(c.said, "the server was restarted")
	if c.qresync && c.complete() {
		c.resync(rng)
		return
	}
	c.begin()
}

// settle compares what the client has been told with what it gets when it asks.
func (c *listener) settle() {
	c.do("NOOP")
	told := map[string]string{}
	for _, m := range c.list {
		told[m.uid] = m.flags
	}
	had := len(c.list)
	c.do("UID FETCH 1:* (FLAGS)")
	if len(c.list) != had {
		c.fail("%d messages have become %d", had, len(c.list))
	}
	for _, m := range c.list {
		if was := told[m.uid]; was != "" && was != m.flags {
			c.fail("the message with UID %s was told as %s, but is %s", m.uid, was, m.flags)
		}
	}
}

// standing is what is stored in a mailbox of alice's, as listeners tell it.
func (w *world) standing(t *testing.T, name string) string {
	name = strings.TrimPrefix(strings.Trim(name, `"`), "Other Users/alice@example.test/")
	opened, err := w.account("alice").Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var is listener
	opened.Snapshot.Each(1, opened.Snapshot.Len(), func(_ int, e store.Entry) bool {
		flags := canonical(strings.Join(opened.Snapshot.FlagNames(e.Flags), " ") + " .")
		is.list = append(is.list, known{strconv.Itoa(int(e.UID)), flags})
		return true
	})
	return is.String()
}
