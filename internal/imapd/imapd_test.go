package imapd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/internal/blob"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/login"
	"posthorn/internal/login/logintest"
	"posthorn/internal/store"
	"posthorn/internal/transcript"
	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// users are alice, bob and carol, whose password is secret.
type users map[string]store.AccountID

// gate lets them in. What the directory knows of "broken" cannot be found out.
func (u users) gate(inClear bool) *login.Gate {
	return logintest.Users{Accounts: u, Password: "secret", Broken: "broken", Closed: "closed", Guessed: "guessed"}.Gate(inClear)
}

// Find is of Directory.
func (u users) Find(_ context.Context, address string) (store.AccountID, string, error) {
	user, _, _ := strings.Cut(strings.ToLower(address), "@")
	if id, ok := u[user]; ok {
		return id, user + "@example.test", nil
	}
	return 0, "", fault.New(fault.NotFound, "test: there is no %s", address)
}

// Member is of Directory: bob and carol are the team.
func (u users) Member(_ context.Context, group string, id store.AccountID) (string, bool, error) {
	if !strings.EqualFold(group, "team@example.test") {
		return "", false, fault.New(fault.NotFound, "test: there is no %s", group)
	}
	return "team@example.test", id == u["bob"] || id == u["carol"], nil
}

// world is a server with mail for alice and bob.
type world struct {
	t      testing.TB
	engine kv.Engine
	blobs  *memblob.Store
	store  *store.Store
	users  users
	imap   *wiretest.Server // passwords may be sent in clear
	safe   *wiretest.Server // passwords need TLS, which is offered
	few    *wiretest.Server // no command works on more than three messages
	save   *wiretest.Server // no COPY or APPEND stores more than two
	full   *atomic.Bool     // the engine has no room; nil: it always has
	slow   *atomic.Int64    // nanoseconds that a commit takes; nil: none
}

// newWorld has a small limit for what is stored inline, so that large messages need
// not be large.
func newWorld(t testing.TB) *world {
	full, slow := new(atomic.Bool), new(atomic.Int64)
	w := newWorldOn(t, memkv.New(memkv.Options{Rerun: true, Commit: func() error {
		time.Sleep(time.Duration(slow.Load()))
		if full.Load() {
			return fault.New(fault.StorageFull, "the disk is full")
		}
		return nil
	}}), 4<<10)
	w.full, w.slow = full, slow
	return w
}

func newWorldOn(t testing.TB, engine kv.Engine, inline int) *world {
	w := &world{t: t, engine: engine, blobs: memblob.New(memblob.Options{}), users: users{"alice": 1, "bob": 2, "carol": 3}}
	t.Cleanup(func() { engine.Close() })
	w.store = store.New(store.Options{Engine: engine, Blobs: w.blobs, InlineLimit: inline})
	w.few = w.listen(Options{Gate: w.users.gate(true), MessageLimit: 3, Quirks: []Quirk{{Account: "bob@example.test", Without: []string{"messagelimit"}}}}, wire.Options{})
	w.save = w.listen(Options{Gate: w.users.gate(true), SaveLimit: 2, Referrals: []string{"Carol@example.test imap://carol;AUTH=*@other.example.test/"}}, wire.Options{})
	w.imap = w.listen(Options{Gate: w.users.gate(true), Administrators: []string{"Carol@example.test"}, Quirks: []Quirk{
		{With: []string{"UIDONLY"}},
		{Client: "stumbler/1.", Without: []string{"IDLE", "compress=deflate", "MOVE", "LITERAL+", "CONDSTORE"}},
		{Client: "ambler", Account: "bob@example.test", Without: []string{"UNSELECT"}},
	}}, wire.Options{})
	server, _ := wiretest.TLS(t)
	w.safe = w.listen(Options{}, wire.Options{TLS: server})
	return w
}

func (w *world) listen(o Options, wo wire.Options) *wiretest.Server {
	if o.Gate == nil {
		o.Gate = w.users.gate(false)
	}
	o.Directory, o.Store, o.MaxMessage, o.Version = w.users, w.store, 64<<10, "test"
	o.Admin = "postmaster@example.test"
	wo.Protocol, wo.Serve = "imap", New(o).Serve
	return wiretest.Start(w.t, wo)
}

// dial opens the connections of scripts, to the server that their names begin with.
func (w *world) dial(name string) net.Conn {
	for prefix, server := range map[string]*wiretest.Server{"safe": w.safe, "few": w.few, "save": w.save} {
		if strings.HasPrefix(name, prefix) {
			return server.Dial()
		}
	}
	return w.imap.Dial()
}

func (w *world) account(user string) *store.Account { return w.store.Account(w.users[user]) }

// deliver puts a message into a mailbox as a delivery agent would.
func (w *world) deliver(user, mailbox, text string) error {
	ctx := context.Background()
	in := w.store.NewIncoming(ctx)
	in.Write([]byte(text))
	m, err := in.Finish()
	if err != nil {
		return err
	}
	return w.account(user).Update(ctx, func(tx *store.Tx) error {
		box, err := tx.Mailbox(mailbox)
		if err != nil {
			return err
		}
		_, err = tx.Append(box.ID, m, store.AppendOptions{})
		return err
	})
}

// commands are the verbs of scripts besides those of package transcript.
func (w *world) commands() map[string]func([]string, map[string]string) error {
	return map[string]func([]string, map[string]string) error{
		// deliver alice INBOX message [times]
		"deliver": func(args []string, texts map[string]string) error {
			times := 1
			if len(args) > 3 {
				times, _ = strconv.Atoi(args[3])
			}
			text, ok := texts[args[2]]
			if !ok {
				return fmt.Errorf("there is no text %q", args[2])
			}
			for range times {
				if err := w.deliver(args[0], args[1], text); err != nil {
					return err
				}
			}
			return nil
		},
		// quota alice bytes [messages n] [mailboxes n]
		"quota": func(args []string, _ map[string]string) error {
			var limit store.Resources
			var failed error
			number := func(s string) int64 {
				n, err := strconv.ParseInt(s, 10, 64)
				failed = errors.Join(failed, err)
				return n
			}
			limit.Bytes = number(args[1])
			for i := 2; i+1 < len(args); i += 2 {
				switch args[i] {
				case "messages":
					limit.Messages = number(args[i+1])
				case "mailboxes":
					limit.Mailboxes = number(args[i+1])
				}
			}
			return errors.Join(failed, w.account(args[0]).Update(context.Background(), func(tx *store.Tx) error {
				tx.SetLimits(limit)
				return nil
			}))
		},
		// damage the n-th of the messages of all alice's mailboxes
		"damage": func(args []string, _ map[string]string) error {
			n, err := strconv.Atoi(args[0])
			return errors.Join(err, w.damage(n))
		},
		// lose the bodies of large messages
		"lose": func([]string, map[string]string) error {
			return w.blobs.List(context.Background(), func(b blob.Info) bool {
				go w.blobs.Delete(context.Background(), b.ID)
				return true
			})
		},
		// diskspace bytes (negative: no end of it)
		"diskspace": func(args []string, _ map[string]string) error {
			n, err := strconv.ParseInt(args[0], 10, 64)
			w.blobs.SetFree(n)
			return err
		},
		// engine full (or: free)
		"engine": func(args []string, _ map[string]string) error {
			w.full.Store(args[0] == "full")
			return nil
		},
		// commits 40s: how long each takes
		"commits": func(args []string, _ map[string]string) error {
			d, err := time.ParseDuration(args[0])
			w.slow.Store(int64(d))
			return err
		},
		// shutdown
		"shutdown": func([]string, map[string]string) error {
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				w.imap.Shutdown(ctx)
			}()
			return nil
		},
	}
}

// damage makes nonsense of the n-th stored record of alice's.
func (w *world) damage(n int) error {
	return w.engine.Update(context.Background(), []kv.Shard{"a/1"}, func(tx kv.Tx) error {
		var key []byte
		at := 0
		err := tx.In("a/1").Scan(kv.Prefix([]byte("C")), func(k, _ []byte) bool {
			key = append([]byte(nil), k...)
			at++
			return at < n
		})
		if err != nil || at < n {
			return fmt.Errorf("no such record (%v)", err)
		}
		return tx.In("a/1").Put(key, bytes.Repeat([]byte("nonsense"), 20))
	})
}

func TestTranscripts(t *testing.T) {
	transcript.Run(t, "testdata/*.txtar", func(t *testing.T) transcript.Options {
		w := newWorld(t)
		return transcript.Options{Dial: w.dial, Commands: w.commands(), Texts: longTexts}
	})
}

// longTexts are what scripts need and nobody wants to read.
var longTexts = map[string]string{
	"80k-letter":    "Subject: long\r\n\r\n" + strings.Repeat(strings.Repeat("x", 78)+"\r\n", 1000),
	"1100":          strings.Repeat("x", 1100),
	"64k":           strings.Repeat("x", 65530),
	"10k-letter":    "Subject: long\r\n\r\n" + strings.Repeat(strings.Repeat("x", 98)+"\r\n", 100),
	"70k-line":      strings.Repeat("x", 70_000) + "\r\n",
	"18k-line":      "a LOGIN " + strings.Repeat("x", 18000) + "\r\n",
	"70k-name":      strings.Repeat("x", 70_000) + "\r\n",
	"many-noops":    strings.Repeat("x NOOP\r\n", 101),
	"mistakes":      strings.Repeat("x FOO\r\n", 25),
	"some-mistakes": strings.Repeat("x FOO\r\n", 15) + "b NOOP\r\n",
	"guesses":       strings.Repeat("a LOGIN a a\r\n", 20),
}
