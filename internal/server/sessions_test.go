package server

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/directory"
)

// somebody is a session that is open, and how it says that it is.
type somebody struct {
	*client
	bye         string
	noop, alive string
}

// lives says that a session goes on, and ends it.
func (x somebody) lives() {
	x.t.Helper()
	x.say(x.noop, x.alive)
	x.Close()
}

// inhabitants are sessions of a user by each protocol, begun in each way.
func inhabitants(t *testing.T, s *Server, user, app string) map[string]somebody {
	t.Helper()
	plain := func(password string) string {
		return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	}
	imap := func(login string) somebody {
		c := connect(t, s.Address(config.IMAP))
		c.expect("* OK")
		c.say(login, "a OK")
		return somebody{c, "* BYE You were signed out", "b NOOP", "b OK"}
	}
	all := map[string]somebody{
		"imap":       imap("a LOGIN " + user + " secret"),
		"imap app":   imap("a LOGIN " + user + " " + app),
		"imap plain": imap("a AUTHENTICATE PLAIN " + plain("secret")),
	}
	idle := imap("a AUTHENTICATE PLAIN " + plain(app))
	idle.say("i IDLE", "+ ")
	idle.noop, idle.alive = "DONE", "i OK"
	all["imap idle app"] = idle
	pop := connect(t, s.Address(config.POP3))
	pop.expect("+OK")
	pop.say("AUTH PLAIN "+plain("secret"), "+OK")
	all["pop3"] = somebody{pop, "-ERR You were signed out", "NOOP", "+OK"}
	smtp := connect(t, s.Address(config.Submission))
	smtp.expect("220")
	smtp.say("EHLO client.test", "250")
	for {
		line, err := smtp.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "250 ") {
			break
		}
	}
	smtp.say("AUTH PLAIN "+plain("secret"), "235")
	all["smtp"] = somebody{smtp, "421 4.7.0 You were signed out", "NOOP", "250"}
	return all
}

// What takes the right to be logged in away ends the sessions that could not be begun any
// more, by every protocol, and no others.
func TestSessionsEnd(t *testing.T) {
	c := testConfig(t, config.IMAP, config.POP3, config.Submission)
	s, _ := start(t, c)
	ctx, d := t.Context(), s.data.Directory
	alice, bob := addr.Address{Local: "alice", Domain: "example.test"}, addr.Address{Local: "bob", Domain: "example.test"}
	if _, err := d.AddDomain(ctx, "example.test"); err != nil {
		t.Fatal(err)
	}
	const everybody = "imap,imap app,imap plain,imap idle app,pop3,smtp"
	for i, tc := range []struct {
		name string
		do   func(context.Context) error
		ends string
	}{
		{"signing out", func(ctx context.Context) error { return d.SignOut(ctx, alice) }, everybody},
		{"a new app password", func(ctx context.Context) error {
			_, _, err := d.AddApp(ctx, alice, directory.NewApp{Name: "tablet"})
			return err
		}, ""},
		{"another password", func(ctx context.Context) error { return d.SetPassword(ctx, alice, "other") }, "imap,imap plain,pop3,smtp"},
		{"without the app password", func(ctx context.Context) error { return d.RemoveApp(ctx, alice, "phone") }, "imap app,imap idle app"},
		{"without PLAIN", func(ctx context.Context) error { return d.SetOff(ctx, alice, []string{"PLAIN"}) }, everybody},
		{"without LOGIN", func(ctx context.Context) error { return d.SetOff(ctx, alice, []string{"LOGIN"}) }, ""},
		{"receive-only", func(ctx context.Context) error { return d.SetState(ctx, alice, directory.StateReceiveOnly, "") }, "smtp"},
		{"no login", func(ctx context.Context) error { return d.SetState(ctx, alice, directory.StateNoLogin, "") }, everybody},
		{"suspended", func(ctx context.Context) error { return d.SetState(ctx, alice, directory.StateSuspended, "") }, everybody},
		{"disabled", func(ctx context.Context) error { return d.SetState(ctx, alice, directory.StateDisabled, "") }, everybody},
		{"renamed", func(ctx context.Context) error {
			_, err := d.RenameAccount(ctx, alice, bob, false)
			return err
		}, everybody},
		{"deleted", func(ctx context.Context) error {
			_, err := d.DeleteAccount(ctx, alice)
			return err
		}, everybody},
	} {
		// Others each time: what the last ones were ended for may not have come to its end.
		alice.Local, bob.Local = fmt.Sprint("alice", i), fmt.Sprint("bob", i)
		t.Run(tc.name, func(t *testing.T) {
			if _, err := d.AddAccount(ctx, alice, "secret"); err != nil {
				t.Fatal(err)
			}
			_, app, err := d.AddApp(ctx, alice, directory.NewApp{Name: "phone"})
			if err != nil {
				t.Fatal(err)
			}
			all := inhabitants(t, s, alice.String(), app)
			if err := tc.do(ctx); err != nil {
				t.Fatal(err)
			}
			for name := range strings.SplitSeq(tc.ends, ",") {
				if x, ok := all[name]; ok {
					x.client.t = t
					x.expect(x.bye)
					if rest, err := x.r.ReadString('\n'); rest != "" || err == nil {
						t.Errorf("%s: after the end %q, %v", name, rest, err)
					}
					delete(all, name)
				}
			}
			for _, x := range all {
				x.lives()
			}
		})
	}
}

// An operator sees who is logged in, from where and by what, and ends what he likes.
func TestSessionsAreListed(t *testing.T) {
	h := openHouse(t, testConfig(t, config.IMAP), "alice@example.test")
	app := ask(h, admin.AddApp, admin.AppPassword{Address: "alice@example.test", Name: "phone", Expires: time.Now().Add(time.Hour)})
	enter := func(password string) *client {
		t.Helper()
		imap := connect(t, h.Address(config.IMAP))
		imap.expect("* OK")
		imap.say("a LOGIN alice@example.test "+strconv.Quote(password), "a OK")
		return imap
	}
	own := enter(password)
	own.say(`b ID ("name" "Mutt" "version" "2")`, "* ID")
	own.expect("b OK")
	phone := enter(app.Password)
	list := ask(h, admin.ListSessions, admin.Name{Name: "alice@example.test"})
	if len(list) != 2 {
		t.Fatalf("there are %+v", list)
	}
	for i, want := range []admin.Session{{Client: "Mutt/2"}, {AppPassword: "phone"}} {
		want.ID, want.Since = list[i].ID, list[i].Since
		want.User, want.Protocol, want.Remote, want.Mechanism = "alice@example.test", "imap", "127.0.0.1", "PLAIN"
		if list[i] != want || len(want.ID) != 8 || want.Since.IsZero() {
			t.Errorf("got %+v, want %+v", list[i], want)
		}
	}
	if got := ask(h, admin.EndSessions, admin.SessionEnd{ID: list[0].ID}); got.Here != 1 {
		t.Errorf("ended: %+v", got)
	}
	own.expect("* BYE You were signed out")
	phone.say("c NOOP", "c OK")
	if n := h.sessions.EndOver(time.Now().Add(59 * time.Minute)); n != 0 {
		t.Errorf("%d are over too soon", n)
	}
	if n := h.sessions.EndOver(time.Now().Add(61 * time.Minute)); n != 1 {
		t.Errorf("%d are over with the app password", n)
	}
	phone.expect("* BYE You were signed out")
}
