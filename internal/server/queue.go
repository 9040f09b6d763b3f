package server

import (
	"posthorn/internal/addr"
	"posthorn/internal/config"
	"posthorn/internal/outbound"
	"posthorn/internal/queue"
)

// queueSettings are what a configuration says of the queue.
func queueSettings(c *config.Config) queue.Settings {
	usual := patience(c.Queue)
	ways := make([]outbound.Route, len(c.Routes))
	own := make([]queue.Policy, len(c.Routes))
	for i := range c.Routes {
		ways[i], own[i] = wayTo(&c.Routes[i]), patience(c.Queue.For(&c.Routes[i]))
	}
	return queue.Settings{
		Hostname: c.Hostname, Postmaster: addr.Address{Local: "postmaster", Domain: c.Hostname},
		Policy: func(destination string) queue.Policy {
			if i := outbound.Find(ways, destination); i >= 0 {
				return own[i]
			}
			return usual
		},
	}
}

func patience(q config.Queue) queue.Policy {
	return queue.Policy{Pauses: q.Retry, Lifetime: q.GiveUp, Notice: q.DelayNotice, Concurrency: q.Connections}
}
