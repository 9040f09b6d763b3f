package server

import (
	"context"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/config"
	"posthorn/internal/fault"
	"posthorn/internal/queue"
	"posthorn/internal/tlsrpt"
)

// setReports says from now on who tells other domains how TLS went.
func (r *relay) setReports(c *config.Config) {
	if r == nil {
		return
	}
	from := c.Reports.From
	r.reports.Store(&tlsrpt.Options{
		Engine: r.data.engine, Logger: r.log, From: from, Hostname: c.Hostname, Resolver: r.resolver,
		Send: func(ctx context.Context, to string, message []byte) error {
			return r.sendReport(ctx, from, to, message)
		},
	})
}

// sendReport queues a report. Nobody is told if it does not arrive; there is another
// one tomorrow.
func (r *relay) sendReport(ctx context.Context, from, to string, message []byte) error {
	sender, err := addr.Parse(from)
	if err != nil {
		return fault.New(fault.Invalid, "tls_reports.from: %w", err)
	}
	receiver, err := addr.Parse(to)
	if err != nil {
		return fault.New(fault.Invalid, "server: %w", err)
	}
	now := time.Now()
	m := queue.NewLetter(queue.NewID(now), now, receiver, message)
	m.From, m.TLSOptional = sender, true // RFC 8460 §3 wants it signed, too, which Send does
	return r.data.Queue.Send(ctx, m, queue.Change{})
}
