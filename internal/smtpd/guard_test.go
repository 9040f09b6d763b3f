package smtpd

import (
	"net/netip"
	"time"

	"posthorn/internal/inbound"
)

// guard is a server that looks closely at who is there.
type guard struct {
	role inbound.Role
	inbound.Options
}

// guarded are servers with a policy of their own: "guarded", which watches strangers,
// "patient", which greets them at once, and "office", to whose machines the clients belong.
func guarded(in inbound.Options) map[string]guard {
	strangers, office := in, in
	strangers.Policy.GreetDelay, strangers.Policy.Tarpit = 2*time.Second, 10*time.Second
	office.Policy.Tarpit = time.Hour
	office.Policy.GreetDelay = 2 * time.Second
	office.Policy.RelayFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	patient := strangers // waits for nobody, but slows who makes errors
	patient.Policy.GreetDelay = 0
	return map[string]guard{
		"guarded": {inbound.MX, strangers},
		"patient": {inbound.MX, patient},
		"office":  {inbound.MX, office},
	}
}
