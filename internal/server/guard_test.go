package server

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/audit"
	"posthorn/internal/config"
)

// TestSessionsOfOneAccount: it has so many at a time; whose network is exempt, any number.
func TestSessionsOfOneAccount(t *testing.T) {
	c := testConfig(t, config.IMAP)
	c.Limits.MaxSessionsPerUser = 2
	h := openHouse(t, c, "alice@example.test")
	enter := func(want string) *client {
		t.Helper()
		imap := connect(t, h.Address(config.IMAP))
		imap.expect("* OK")
		imap.say("a LOGIN alice@example.test "+fmt.Sprintf("%q", password), want)
		return imap
	}
	first := enter("a OK")
	enter("a OK")
	enter("a NO [LIMIT] Too many sessions of this account at a time")
	first.say("b LOGOUT", "* BYE")
	await(t, "the first is still counted", func() (any, bool) {
		n := h.sessions.Of("imap", "alice@example.test")
		return n, n == 1
	})
	enter("a OK")
	exempt := *c
	exempt.Limits.Exempt = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	if err := h.Reload(t.Context(), &exempt); err != nil {
		t.Fatal(err)
	}
	enter("a OK")
}

// TestBans: a network that guesses at many users is refused on all listeners, and told
// why; one where somebody is logged in is not; an operator sees it and lets it in again.
func TestBans(t *testing.T) {
	c := testConfig(t, config.POP3, config.IMAP, config.SMTP)
	c.Limits.BanAfter, c.Limits.GreetDelay = 3, 0
	for i := range c.Listeners {
		c.Listeners[i].ProxyProtocol = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	h := openHouse(t, c, "alice@example.test")
	from := func(p config.Protocol, ip, greeting string) *client {
		t.Helper()
		client := connect(t, h.Address(p))
		client.say("PROXY TCP4 "+ip+" 198.51.100.1 4000 110", greeting)
		return client
	}
	guess := func(ip string) {
		t.Helper()
		pop := from(config.POP3, ip, "+OK")
		for i := range 3 {
			pop.say(fmt.Sprintf("USER user%d@example.test", i), "+OK")
			pop.say("PASS guess", "-ERR [AUTH] Wrong user or password")
		}
	}

	owner := from(config.POP3, "192.0.2.2", "+OK")
	owner.say("USER alice@example.test", "+OK")
	owner.say("PASS "+password, "+OK")
	guess("192.0.2.2")
	guess("192.0.2.1")
	var bans []admin.Ban
	await(t, "nobody is banned", func() (any, bool) {
		bans = ask(h, admin.ListBans, admin.Nothing{})
		return bans, len(bans) > 0
	})
	if len(bans) != 1 || bans[0].Network != "192.0.2.1/32" || bans[0].Times != 1 || bans[0].Reason != "3 wrong passwords within the hour" {
		t.Fatalf("banned: %+v", bans)
	}
	await(t, "the ban is not known everywhere", func() (any, bool) {
		ban, banned := h.data.Bans.Find(netip.MustParseAddr("192.0.2.1"))
		return ban, banned
	})
	until := bans[0].Until.UTC().Format("2006-01-02 15:04 UTC")
	await(t, "the ban is not in the audit trail", func() (any, bool) {
		found := ask(h, admin.SearchAudit, admin.AuditQuery{IP: "192.0.2.1", What: []string{"change"}}).Entries
		return found, len(found) == 1 && found[0].By == audit.Itself && found[0].Operation == "ban/add" &&
			found[0].Detail == "192.0.2.1/32 until "+until+": 3 wrong passwords within the hour"
	})
	for p, greeting := range map[config.Protocol]string{
		config.POP3: "-ERR [SYS/TEMP] ", config.IMAP: "* BYE ", config.SMTP: "421 4.7.0 mail.example.test ",
	} {
		from(p, "192.0.2.1", greeting+"Your network 192.0.2.1/32 is refused until "+until+": 3 wrong passwords within the hour")
	}
	from(config.IMAP, "192.0.2.2", "* OK")

	ask(h, admin.RemoveBan, admin.Name{Name: "192.0.2.1"})
	from(config.IMAP, "192.0.2.1", "* OK")
	ask(h, admin.AddBan, admin.Ban{Network: "192.0.2.0/24", Reason: "spam", Until: time.Now().Add(time.Hour)})
	from(config.IMAP, "192.0.2.2", "* BYE Your network 192.0.2.0/24 is refused") // as the operator wishes
	if _, err := admin.AddBan.Call(t.Context(), h.admin, admin.Ban{Network: "127.0.0.1", Until: time.Now().Add(time.Hour)}); err == nil || !strings.Contains(err.Error(), "this machine") {
		t.Errorf("this machine is banned: %v", err)
	}
}
