package server

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/audit"
	"posthorn/internal/config"
	"posthorn/internal/filter/abuse"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/wire/wiretest"
)

// village are two servers: alice, carol and the operator live at a, bob at b, and nobody
// answers at slow.test. Alice is suspected soon.
func village(t *testing.T, s config.Suspicion) (a, b *house) {
	t.Helper()
	there := wiretest.Lonely(t)
	cb := testConfig(t, config.SMTP)
	cb.Hostname, cb.Listeners[0].Address = "mx.example.org", there
	ca := testConfig(t, config.Submission, config.IMAP)
	ca.Abuse.Suspicion, ca.Operator = s, "root@example.test"
	ca.Routes = []config.Route{{Domains: []string{"slow.test"}, Transport: config.SmartHost, Hosts: []string{wiretest.Lonely(t)}}, {Domains: []string{"*"}, Transport: config.SmartHost, Hosts: []string{there}, TLS: config.Required}}
	a, b = openHouse(t, ca, "alice@example.test"), openHouse(t, cb, "bob@example.org")
	for _, one := range []string{"carol@example.test", "root@example.test"} {
		ask(a, admin.AddAccount, admin.Credentials{Address: one, Password: password})
	}
	return a, b
}

func (h *house) mustSubmit(from, subject string, to ...string) {
	h.t.Helper()
	if err := h.submit(from, subject, to...); err != nil {
		h.t.Fatal(err)
	}
}

// restart ends the server and starts it again.
func (h *house) restart(address string) *house {
	h.t.Helper()
	if err := h.Shutdown(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	return openHouse(h.t, h.config, address)
}

// TestBurst: what somebody submits who sends as thieves do is accepted, and nobody gets it;
// he and the operator are told; so it is after a restart; and in the end everybody has it.
func TestBurst(t *testing.T) {
	a, b := village(t, config.Suspicion{Burst: 3})
	a.mustSubmit("alice@example.test", "first", "bob@example.org", "carol@example.test")
	b.inbox(1)
	carol, root := a.of("carol@example.test"), a.of("root@example.test")
	carol.inbox(1)
	a.mustSubmit("alice@example.test", "burst", "bob@example.org", "carol@example.test")
	a.mustSubmit("alice@example.test", "again", "carol@example.test")
	a.mustSubmit("carol@example.test", "not hers", "bob@example.org")
	b.inbox(2)

	for who, want := range map[*house]string{
		a.of("alice@example.test"): "Subject: Your mail is held", root: "posthorn account release alice@example.test",
	} {
		if text := who.inbox(1); !strings.Contains(text, want) || !strings.Contains(text, "mail to 4 recipients within 5 minutes.") {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	held := ask(a, admin.ListHeld, admin.Nothing{})
	details := ask(a, admin.ShowAccount, admin.Name{Name: "alice@example.test"})
	if len(held) != 1 || held[0].Rule != "account-burst" || held[0].Address != "alice@example.test" || details.Held == nil || *details.Held != held[0] {
		t.Errorf("held: %+v; %+v", held, details.Held)
	}
	a.audited(audit.Itself + " account/hold alice@example.test mail to 4 recipients within 5 minutes")

	a = a.restart("alice@example.test")
	a.mustSubmit("alice@example.test", "after a restart", "bob@example.org")
	queued := a.queued()
	recipients := 0
	for _, m := range queued {
		for _, r := range m.Recipients {
			if recipients++; !r.Held || m.From != "alice@example.test" {
				t.Errorf("queued: %+v", m)
			}
		}
	}
	if recipients != 4 || b.count() != 2 || a.of("carol@example.test").count() != 1 {
		t.Errorf("%d recipients wait, bob has %d messages, carol %d", recipients, b.count(), a.of("carol@example.test").count())
	}

	if done := ask(a, admin.ReleaseAccount, admin.Name{Name: "alice@example.test"}); done.Messages != 3 || done.Recipients != 4 {
		t.Errorf("released: %+v", done)
	}
	b.inbox(4)
	a.of("carol@example.test").inbox(3)
	a.waitEmpty()
	a.mustSubmit("alice@example.test", "free", "bob@example.org")
	b.inbox(5)
	if held := ask(a, admin.ListHeld, admin.Nothing{}); len(held) != 0 {
		t.Errorf("held: %+v", held)
	}
	if _, err := admin.ReleaseAccount.Call(t.Context(), a.admin, admin.Name{Name: "alice@example.test"}); err == nil || !strings.Contains(err.Error(), "is not held") {
		t.Errorf("released again: %v", err)
	}
}

// audited waits until the audit trail has an entry that ends so.
func (h *house) audited(want string) {
	h.t.Helper()
	await(h.t, "no entry "+want, func() (any, bool) {
		entries := ask(h, admin.SearchAudit, admin.AuditQuery{}).Entries
		return entries, slices.ContainsFunc(entries, func(e audit.Entry) bool {
			return strings.HasSuffix(strings.Join([]string{e.By, e.Operation, e.User, e.Detail}, " "), want)
		})
	})
}

// waitHeld waits until the mail of an account is held, and says why.
func (h *house) waitHeld() string {
	h.t.Helper()
	var held []admin.AccountHold
	await(h.t, "nobody's mail is held", func() (any, bool) {
		held = ask(h, admin.ListHeld, admin.Nothing{})
		return held, len(held) == 1
	})
	return held[0].Rule + ": " + held[0].Why
}

// TestReleasedMeanwhile: who is released while the server still goes through the queue to
// hold what was submitted before is free of it afterwards, and gets no letter.
func TestReleasedMeanwhile(t *testing.T) {
	a, _ := village(t, config.Suspicion{})
	a.mustSubmit("alice@example.test", "waits", "dave@slow.test")
	// The hold is on its way, and its record is already gone.
	if err := a.data.held(t.Context(), abuse.Hold{Account: uint64(a.account.ID()), Address: "alice@example.test", Rule: abuse.Burst}); err != nil {
		t.Fatal(err)
	}
	if queued := a.queued(); len(queued) != 1 || queued[0].Recipients[0].Held {
		t.Errorf("queued: %+v", queued)
	}
	if n := a.count(); n != 0 {
		t.Errorf("%d letters", n)
	}
}

// TestRefusals: other servers' refusals count, and our own; what is in the queue by then is
// held as well.
func TestRefusals(t *testing.T) {
	a, _ := village(t, config.Suspicion{Refused: 4, Percent: 50})
	for i := range 2 {
		if err := a.submit("alice@example.test", "guess", fmt.Sprintf("nobody%d@example.test", i)); err == nil {
			t.Fatal("a message to nobody is taken")
		}
	}
	a.mustSubmit("alice@example.test", "before", "dave@slow.test")
	a.mustSubmit("alice@example.test", "spam", "bob@example.org", "nobody1@example.org")
	a.inbox(1) // the notification
	a.mustSubmit("alice@example.test", "spam", "nobody2@example.org")
	if why := a.waitHeld(); why != "account-refusals: mail to 6 recipients within 60 minutes, of whom 4 do not exist or were refused" {
		t.Error(why)
	}
	a.waitQueued("on hold", func(all []admin.QueuedMessage) bool { return len(all) == 1 && all[0].Recipients[0].Held })
	if events := a.told("dave@slow.test", 2); words(&events[len(events)-1]) != "held back dave@slow.test account-refusals" {
		t.Errorf("told: %+v", events)
	}
}

// TestSecure: whoever has somebody's password is out, with all he can come back by; what he
// has not yet sent is gone, and what he has is listed. With a new password all is as before.
func TestSecure(t *testing.T) {
	a, b := village(t, config.Suspicion{Burst: 1})
	app := ask(a, admin.AddApp, admin.AppPassword{Address: "alice@example.test", Name: "thief's"})
	a.mustSubmit("alice@example.test", "left", "bob@example.org")
	b.inbox(1)
	a.mustSubmit("alice@example.test", "held", "bob@example.org", "nobody@example.org")
	a.waitHeld()
	thief := connect(t, a.Address(config.IMAP))
	thief.expect("* OK")
	thief.say(fmt.Sprintf("a LOGIN alice@example.test %q", app.Password), "a OK")

	check := func(done admin.Secured, dry bool) {
		t.Helper()
		if done.DryRun != dry || fmt.Sprint(done.Apps) != "[thief's]" || len(done.Queue.Messages) != 1 || done.Queue.Recipients != 2 || len(done.Sent) != 2 {
			t.Fatalf("secured: %+v", done)
		}
		left, kept := done.Sent[0], done.Sent[1]
		if len(left.To) != 1 || left.To[0].State != "delivered" || left.To[0].Remote == "" || left.From != "alice@example.test" || left.IP != "127.0.0.1" {
			t.Errorf("left: %+v", left)
		}
		want := "held back"
		if !dry {
			want = "deleted by the operator"
		}
		if len(kept.To) != 2 || kept.To[0].State != want || kept.To[1].State != want {
			t.Errorf("kept: %+v", kept)
		}
	}
	order := admin.SecureOrder{Address: "alice@example.test", DryRun: true}
	check(ask(a, admin.SecureAccount, order), true)
	thief.say("b NOOP", "b OK")
	if len(a.queued()) != 1 {
		t.Error("a preview deletes")
	}
	order.DryRun = false
	check(ask(a, admin.SecureAccount, order), false)
	thief.expect("* BYE")
	if len(a.queued()) != 0 {
		t.Errorf("queued: %+v", a.queued())
	}

	login := func(password, want string) {
		t.Helper()
		c := connect(t, a.Address(config.IMAP))
		c.expect("* OK")
		c.say(fmt.Sprintf("a LOGIN alice@example.test %q", password), want)
	}
	login(app.Password, "a NO [AUTHENTICATIONFAILED]")
	login(password, "a NO [")
	a = a.restart("alice@example.test")
	login(password, "a NO [")
	ask(a, admin.SetPassword, admin.Credentials{Address: "alice@example.test", Password: "another"})
	login("another", "a OK")
	login(password, "a NO [AUTHENTICATIONFAILED]")
	if held := ask(a, admin.ListHeld, admin.Nothing{}); len(held) != 0 {
		t.Errorf("held: %+v", held)
	}
	a.audited(" account/secure alice@example.test ")
}

// TestWhoIsHeld: with the limits of an empty configuration, whoever sends as people do is
// left alone, and a thief is stopped within minutes.
func TestWhoIsHeld(t *testing.T) {
	c := config.Default()
	c.Allowances = []config.Allowance{{Users: []string{"news@example.test"}, RecipientsPerHour: 20_000, Suspicion: c.Abuse.Suspicion}}
	p := policy((&Server{}).settings(&c, config.Listener{}))
	home, abroad := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	// a habit is how many messages a minute somebody sends to how many each, how many in a
	// hundred of these do not exist, from where, and for how many minutes.
	type habit struct {
		messages, recipients, dead int
		from                       netip.Addr
		minutes                    int
	}
	for name, tc := range map[string]struct {
		habits []habit
		limits abuse.Limits
		within int // minutes after which he must be held; 0: he must not be
	}{
		"writes to some people":           {[]habit{{1, 5, 5, home, 8 * 60}}, p.Suspicion, 0},
		"on a journey":                    {[]habit{{1, 2, 0, home, 30}, {1, 20, 5, abroad, 5}}, p.Suspicion, 0},
		"club, one message":               {[]habit{{1, 500, 30, home, 1}}, p.Suspicion, 0},
		"club, a message each":            {[]habit{{50, 1, 30, home, 10}}, p.Suspicion, 0},
		"club, with a correction":         {[]habit{{1, 500, 30, home, 1}, {0, 0, 0, home, 10}, {1, 500, 5, home, 1}}, p.Suspicion, 0},
		"newsletter with an allowance":    {[]habit{{10, 100, 20, home, 10}}, p.Users["news@example.test"].Suspicion, 0},
		"thief in a hurry":                {[]habit{{600, 1, 30, home, 60}}, p.Suspicion, 1},
		"thief with many recipients":      {[]habit{{5, 50, 30, home, 60}}, p.Suspicion, 3},
		"thief with an old list":          {[]habit{{30, 1, 50, home, 60}}, p.Suspicion, 7},
		"thief from abroad":               {[]habit{{1, 5, 0, home, 60}, {20, 1, 0, abroad, 60}}, p.Suspicion, 66},
		"thief who takes his time":        {[]habit{{60, 1, 10, home, 60}}, p.Suspicion, 17},
		"thief of the newsletter's, fake": {[]habit{{100, 1, 60, home, 60}}, p.Users["news@example.test"].Suspicion, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := abuse.New(abuse.Options{Engine: memkv.New(memkv.Options{}), Country: func(ip netip.Addr) string {
				return map[netip.Addr]string{home: "DE", abroad: "CN"}[ip]
			}})
			minute, held := 0, false
			for _, h := range tc.habits {
				for range h.minutes {
					dead := 0 // in hundredths
					for range h.messages {
						_, held = w.Count(t.Context(), abuse.Act{Account: 1, Remote: h.from, Recipients: h.recipients, Limits: &tc.limits})
						for dead += h.dead * h.recipients; dead >= 100 && !held; dead -= 100 {
							_, held = w.Count(t.Context(), abuse.Act{Account: 1, Refused: 1})
						}
					}
					if minute++; held {
						break
					}
					time.Sleep(time.Minute)
				}
			}
			if held != (tc.within > 0) || minute > tc.within && held {
				t.Errorf("%s: after %d minutes: held %v; want it within %d", name, minute, held, tc.within)
			}
		})
	}
}

// TestAllowances: who may have more is not held for it; who may have less, as everybody.
func TestAllowances(t *testing.T) {
	for _, tc := range []struct {
		everybody, most int
		given, want     config.Suspicion
	}{
		{10_000, 10_000, config.Suspicion{Recipients: 1000, Burst: 500, Refused: 100}, config.Suspicion{Recipients: 1000, Burst: 500, Refused: 100}},
		{10_000, 50, config.Suspicion{Recipients: 1000, Burst: 500}, config.Suspicion{Recipients: 1000, Burst: 500}},
		{10_000, 20_000, config.Suspicion{Recipients: 1000, Burst: 0, Abroad: 1}, config.Suspicion{Recipients: 20_000, Burst: 0, Abroad: 1}},
		{10_000, 20_000, config.Suspicion{Recipients: 30_000, Burst: 500}, config.Suspicion{Recipients: 30_000, Burst: 20_000}},
		{10_000, 0, config.Suspicion{Recipients: 1000, Burst: 500, Percent: 3}, config.Suspicion{Percent: 3}},
		{0, 500, config.Suspicion{Recipients: 1000, Burst: 500}, config.Suspicion{Recipients: 1000, Burst: 500}},
	} {
		got := allowed(&config.Allowance{RecipientsPerHour: tc.most, Suspicion: tc.given}, &config.Limits{UserRecipientsPerHour: tc.everybody})
		if got != tc.want {
			t.Errorf("%+v: %+v", tc, got)
		}
	}
	off := config.Abuse{Suspicion: config.Suspicion{Recipients: 1}}
	if got := suspicion(&off, off.Suspicion); got != (abuse.Limits{}) {
		t.Errorf("switched off: %+v", got)
	}
}
