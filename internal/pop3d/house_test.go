package pop3d

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/login"
	"posthorn/internal/login/logintest"
	"posthorn/internal/obs"
	"posthorn/internal/store"
	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// people are the accounts.
var people = map[string]store.AccountID{"alice": 1, "bob": 2}

// gate knows people@example.test, carol, whose account is closed, and that it cannot
// look for dave.
func gate(inClear bool) *login.Gate {
	return logintest.Users{Accounts: people, Password: "open sesame", Closed: "carol", Broken: "dave", Guessed: "guessed"}.Gate(inClear)
}

// house is all that stands behind the protocol, in memory.
type house struct {
	t       testing.TB
	store   *store.Store
	servers map[string]*wiretest.Server
	locks   *Locks
	tls     *tls.Config
	client  *tls.Config
	broken  atomic.Pointer[fault.Error] // what commits fail with
	wishes  wishes
	told    obs.Recorder // what users delete
}

func newHouse(t testing.TB) *house {
	h := &house{t: t}
	h.furnish(memkv.New(memkv.Options{Commit: func() error {
		if err := h.broken.Load(); err != nil {
			return err
		}
		return nil
	}}))
	return h
}

func (h *house) furnish(engine kv.Engine) {
	h.store = store.New(store.Options{Engine: engine, Blobs: memblob.New(memblob.Options{}), InlineLimit: 64 << 10})
	h.servers, h.locks, h.wishes = map[string]*wiretest.Server{}, NewLocks(), wishes{}
}

// server starts a server when it is first asked for: "pop3" (with STLS), "pop3s",
// or "plain" (passwords in clear).
func (h *house) server(name string) *wiretest.Server {
	if s := h.servers[name]; s != nil {
		return s
	}
	o := Options{Hostname: "mail.example.test", Store: h.store, Gate: gate(false), Locks: h.locks, Accounts: h.wishes, Recorder: h.told}
	w := wire.Options{Protocol: "pop3", PreAuthTimeout: time.Minute, IdleTimeout: 10 * time.Minute, MaxErrors: 6}
	switch name {
	case "pop3", "pop3s":
		if h.tls == nil {
			h.tls, h.client = wiretest.TLS(h.t)
		}
		w.TLS = h.tls
		w.ImplicitTLS = name == "pop3s"
	case "plain":
		o.Gate = gate(true)
	case "slow":
		o.Gate, o.LoginDelay = gate(true), 5*time.Minute
	default:
		h.t.Fatalf("there is no server %q", name)
	}
	w.Serve = New(o).Serve
	h.servers[name] = wiretest.Start(h.t, w)
	return h.servers[name]
}

// dial connects to the server whose name the connection's begins with: "plain",
// "plain2", "pop3s".
func (h *house) dial(connection string) net.Conn {
	name := strings.TrimRight(connection, "2456789")
	nc := h.server(name).Dial()
	if name == "pop3s" {
		return tls.Client(nc, h.client)
	}
	return nc
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// deliver puts messages into somebody's INBOX.
func (h *house) deliver(name string, messages ...string) error {
	ctx, account := context.Background(), h.store.Account(people[name])
	for _, text := range messages {
		in := h.store.NewIncoming(ctx)
		in.Write([]byte(text))
		m, err := in.Finish()
		if err != nil {
			return err
		}
		err = account.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Append(store.InboxID, m, store.AppendOptions{})
			return err
		})
		m.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// expunge removes one message, by its number, as an IMAP client would.
func (h *house) expunge(name string, seq int) error {
	ctx, account := context.Background(), h.store.Account(people[name])
	snap, err := account.Snapshot(ctx, store.InboxID)
	if err != nil {
		return err
	}
	uid := snap.At(seq).UID
	return account.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Remove(store.InboxID, []store.UIDRange{{First: uid, Last: uid}})
		return err
	})
}

// uids are the UIDs in somebody's INBOX.
func (h *house) uids(name string) string {
	snap, err := h.store.Account(people[name]).Snapshot(context.Background(), store.InboxID)
	h.must(err)
	var uids []string
	snap.Each(1, snap.Len(), func(_ int, e store.Entry) bool {
		uids = append(uids, strconv.Itoa(int(e.UID)))
		return true
	})
	return strings.Join(uids, " ")
}

// wishes are the settings of people.
type wishes map[string]Settings

func (w wishes) Settings(_ context.Context, name string) (Settings, error) { return w[name], nil }

func (w wishes) Shortest(context.Context) (days int, differ bool, err error) {
	for _, s := range w {
		if differ = differ || s.Expire > 0; s.Expire > 0 && (days == 0 || s.Expire < days) {
			days = s.Expire
		}
	}
	return days, differ, nil
}

// set reads settings: "unread mark trash folder=Archive expire=30 language=zh".
func (w wishes) set(name string, words []string) (err error) {
	var s Settings
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "unread":
			s.Unread = true
		case "mark":
			s.Mark = true
		case "trash":
			s.Trash = true
		case "folder":
			s.Folder = value
		case "language":
			s.Language = value
		case "expire":
			s.Expire, err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("there is no setting %q", word)
		}
	}
	w[name+"@"+logintest.Domain] = s
	return err
}

// on changes something about a message, by its number, as an IMAP client would.
func (h *house) on(name, number string, fn func(*store.Tx, []store.UIDRange) error) error {
	ctx, account := context.Background(), h.store.Account(people[name])
	snap, err := account.Snapshot(ctx, store.InboxID)
	if err != nil {
		return err
	}
	seq, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	uid := snap.At(seq).UID
	return account.Update(ctx, func(tx *store.Tx) error { return fn(tx, []store.UIDRange{{First: uid, Last: uid}}) })
}

// fail has commits fail with a fault of this kind; "" mends them.
func (h *house) fail(kind string) error {
	if kind == "" {
		h.broken.Store(nil)
		return nil
	}
	for _, k := range fault.Kinds() {
		if strings.ReplaceAll(k.String(), " ", "-") == kind {
			h.broken.Store(fault.New(k, "test: commits fail").(*fault.Error))
			return nil
		}
	}
	return fmt.Errorf("no kind of fault is called %q", kind)
}

// commands are the verbs of transcripts.
func (h *house) commands() map[string]func([]string, map[string]string) error {
	return map[string]func([]string, map[string]string) error{
		"deliver": func(args []string, texts map[string]string) error {
			for _, text := range args[1:] {
				if err := h.deliver(args[0], texts[text]); err != nil {
					return err
				}
			}
			return nil
		},
		"expunge": func(args []string, _ map[string]string) error {
			seq, err := strconv.Atoi(args[1])
			if err != nil {
				return err
			}
			return h.expunge(args[0], seq)
		},
		"settings": func(args []string, _ map[string]string) error { return h.wishes.set(args[0], args[1:]) },
		"flag": func(args []string, _ map[string]string) error {
			return h.on(args[0], args[1], func(tx *store.Tx, one []store.UIDRange) error {
				_, err := tx.Store(store.InboxID, one, store.FlagChange{Flags: args[2:]})
				return err
			})
		},
		"known": func(args []string, _ map[string]string) error {
			return h.on(args[0], args[1], func(tx *store.Tx, one []store.UIDRange) error {
				return tx.SetUIDL(store.InboxID, one[0].First, args[2])
			})
		},
		"expire": func(args []string, _ map[string]string) error {
			want, err := strconv.Atoi(args[1])
			if err != nil {
				return err
			}
			n, err := Expire(context.Background(), h.store.Account(people[args[0]]), h.wishes[args[0]+"@example.test"], time.Now())
			if err == nil && n != want {
				err = fmt.Errorf("%d messages have expired, want %d", n, want)
			}
			return err
		},
		"has": func(args []string, _ map[string]string) error {
			m, err := h.store.Account(people[args[0]]).Mailbox(context.Background(), args[1])
			if got, want := fmt.Sprintf("%d of them %d unread", m.Messages, m.Unseen), strings.Join(args[2:], " "); err == nil && got != want {
				err = fmt.Errorf("%s has %s, want %s", args[1], got, want)
			}
			return err
		},
		"remove": func(args []string, _ map[string]string) error {
			return h.store.Account(people[args[0]]).Update(context.Background(), func(tx *store.Tx) error { return tx.DeleteMailbox(args[1]) })
		},
		"inbox": func(args []string, _ map[string]string) error {
			if got, want := h.uids(args[0]), strings.Join(args[1:], " "); got != want {
				return fmt.Errorf("INBOX has the UIDs %q, want %q", got, want)
			}
			return nil
		},
		"fail": func(args []string, _ map[string]string) error { return h.fail(strings.Join(args, "-")) },
		"drain": func([]string, map[string]string) error {
			for _, s := range h.servers {
				if err := s.Shutdown(context.Background()); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
