package imapclient

import (
	"context"
	"time"

	"posthorn/internal/fault"
)

// Noop lets the server tell what has changed.
func (c *Client) Noop(ctx context.Context) error {
	_, err := c.command(ctx, "NOOP", nil)
	return err
}

// longestIdle is how long a server may be silent in IDLE: RFC 2177 has clients begin
// again after 29 minutes.
const longestIdle = 29 * time.Minute

// Idle lets the server tell what changes as it happens (RFC 2177), to Options.On and
// OnFlags, until stop ends. That is no error; the connection is good after it.
func (c *Client) Idle(ctx, stop context.Context) error {
	defer c.conn.until(ctx)()
	const words = "IDLE"
	if err := c.ask(words); err != nil {
		return c.broken(ctx, err)
	}
	timeout := c.conn.timeout.Swap(int64(longestIdle))
	defer c.conn.timeout.Store(timeout)
	said := make(chan error, 1)
	end := context.AfterFunc(stop, func() {
		c.conn.timeout.Store(timeout)
		c.conn.nc.SetReadDeadline(c.conn.deadline())
		said <- c.conn.write([]byte("DONE\r\n"))
	})
	_, err := c.finish(ctx, words, nil)
	if end() { // it ended before we asked
		if err == nil {
			err = c.broken(ctx, fault.New(fault.Invalid, "imapclient: the server ended IDLE by itself"))
		}
		return err
	}
	if failed := <-said; err == nil && failed != nil {
		return c.broken(ctx, failed)
	}
	return err
}
