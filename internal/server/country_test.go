package server

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/fault"
	"posthorn/internal/geoip/geoiptest"
)

// submitFrom is submit for somebody at an address.
func (h *house) submitFrom(ip, from string, to ...string) {
	h.t.Helper()
	nc, err := net.Dial("tcp", h.Address(config.Submission).String())
	if err != nil {
		h.t.Fatal(err)
	}
	defer nc.Close()
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	_, err = fmt.Fprintf(nc, "PROXY TCP4 %s 198.51.100.1 4000 587\r\n", ip)
	must(err)
	c, err := smtp.NewClient(patient{nc}, "127.0.0.1")
	must(err)
	must(c.Auth(smtp.PlainAuth("", from, password, "127.0.0.1")))
	must(c.Mail(from))
	for _, one := range to {
		must(c.Rcpt(one))
	}
	w, err := c.Data()
	must(err)
	_, err = fmt.Fprintf(w, "From: <%s>\r\nSubject: hello\r\n\r\nhello\r\n", from)
	must(err)
	must(w.Close())
	must(c.Quit())
}

// TestNewCountry: who suddenly writes to many from elsewhere is held, until somebody says
// that she is on a journey. A file that is wrong keeps the server from starting, and changes
// nothing in one that runs.
func TestNewCountry(t *testing.T) {
	c := testConfig(t, config.Submission)
	c.Listeners[0].ProxyProtocol = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c.Abuse.Suspicion = config.Suspicion{Abroad: 2}
	c.Abuse.GeoIP = filepath.Join(t.TempDir(), "country.mmdb")
	if _, err := Start(t.Context(), c, slog.New(slog.DiscardHandler)); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "abuse.geoip: ") {
		t.Fatalf("started without its file: %v", err)
	}
	file := geoiptest.Encode(map[string][]byte{"192.0.2.0/25": geoiptest.Country("DE"), "192.0.2.128/25": geoiptest.Country("CN")})
	if err := os.WriteFile(c.Abuse.GeoIP, file, 0o600); err != nil {
		t.Fatal(err)
	}
	h := openHouse(t, c, "alice@example.test")
	many := []string{"alice+1@example.test", "alice+2@example.test", "alice+3@example.test"}
	h.submitFrom("192.0.2.1", "alice@example.test", many...)
	h.inbox(1)
	h.submitFrom("192.0.2.200", "alice@example.test", many[:2]...)
	h.inbox(2)
	next := *c
	next.Abuse.GeoIP = c.Abuse.GeoIP + ".new"
	if err := h.Reload(t.Context(), &next); !fault.Is(err, fault.NotFound) {
		t.Errorf("another file that is not there: %v", err)
	}
	h.submitFrom("192.0.2.1", "alice@example.test", many...)
	h.inbox(3)
	h.submitFrom("192.0.2.200", "alice@example.test", many[0])
	if why := h.waitHeld(); why != "account-abroad: mail to 3 recipients within 60 minutes, from a country that is new to the account" {
		t.Error(why)
	}
	ask(h, admin.ReleaseAccount, admin.Name{Name: "alice@example.test"})
	h.waitEmpty()
	h.submitFrom("192.0.2.200", "alice@example.test", many...)
	if held := ask(h, admin.ListHeld, admin.Nothing{}); len(held) != 0 {
		t.Errorf("held: %+v", held)
	}
}
