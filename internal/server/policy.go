package server

import (
	"posthorn/internal/inbound"
)

// policy is what the configuration says about mail that comes in.
func policy(set settings) inbound.Policy {
	p, limits := inbound.DefaultPolicy(), set.Limits
	p.MaxSize, p.MaxRecipients = limits.MaxMessageSize, limits.MaxRecipients
	p.Exempt, p.RelayFrom = limits.Exempt, set.Relay.Networks
	p.GreetDelay, p.Tarpit = limits.GreetDelay, limits.Tarpit
	return p
}
