package server

import (
	"posthorn/internal/config"
	"posthorn/internal/login/guard"
)

// newGuard makes the guard of all doors.
func newGuard(c *config.Config) *guard.Guard {
	g := guard.New(guard.Options{})
	g.Use(guarded(c))
	return g
}

// guarded are the networks that the guard treats in a way of their own: those that no
// limit is for, and those that stand for others.
func guarded(c *config.Config) guard.Networks {
	n := guard.Networks{Exempt: c.Limits.Exempt}
	for _, l := range c.Listeners {
		n.Trusted = append(append(n.Trusted, l.ProxyProtocol...), l.XClient...)
	}
	return n
}
