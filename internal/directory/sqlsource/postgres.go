package sqlsource

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"posthorn/internal/fault"
)

// postgres is a database of PostgreSQL, with its connections.
type postgres struct {
	config *pgx.ConnConfig
	slots  chan struct{} // a token for each connection in use

	mu     sync.Mutex
	idle   []idleConn
	closed bool
}

type idleConn struct {
	*pgx.Conn
	since time.Time
}

func openPostgres(o *Options) (*postgres, error) {
	c, err := pgx.ParseConfig(o.DSN)
	if err != nil { // which leaves out the password
		return nil, fault.New(fault.Invalid, "sqlsource: %w", err)
	}
	if o.Password != "" {
		c.Password = o.Password
	}
	c.RuntimeParams["default_transaction_read_only"] = "on"
	return &postgres{config: c, slots: make(chan struct{}, max(o.Connections, 1))}, nil
}

func (p *postgres) ask(ctx context.Context, query string, parameters []any) (answer, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return answer{}, fmt.Errorf("all connections are busy: %w", ctx.Err())
	}
	for c := p.take(); c != nil; c = p.take() {
		a, err := p.run(ctx, c, query, parameters)
		if err == nil || !c.IsClosed() || ctx.Err() != nil { // else the server has ended an old connection
			return a, err
		}
	}
	c, err := pgx.ConnectConfig(ctx, p.config)
	if err != nil {
		return answer{}, err
	}
	return p.run(ctx, c, query, parameters)
}

// run asks on a connection, which is closed if ctx ends meanwhile.
func (p *postgres) run(ctx context.Context, c *pgx.Conn, query string, parameters []any) (a answer, err error) {
	defer func() { p.keep(c) }()
	rows, err := c.Query(ctx, query, parameters...)
	if err != nil {
		return a, err
	}
	defer rows.Close()
	for a.rows < 2 && rows.Next() {
		a.rows++
		to := make([]any, len(rows.FieldDescriptions()))
		for i := 1; i < len(to); i++ {
			to[i] = new(any)
		}
		var hash *string
		if len(to) > 0 {
			to[0] = &hash
		}
		if err := rows.Scan(to...); err != nil {
			return a, err
		}
		if hash != nil {
			a.hash = *hash
		}
	}
	rows.Close()
	return a, rows.Err()
}

// take gives a connection that was used before; nil if there is none.
func (p *postgres) take() *pgx.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if time.Since(c.since) < idle && !c.IsClosed() {
			return c.Conn
		}
		leave(c.Conn)
	}
	return nil
}

func (p *postgres) keep(c *pgx.Conn) {
	if c.IsClosed() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		leave(c)
		return
	}
	p.idle = append(p.idle, idleConn{c, time.Now()})
}

// leave closes a connection without waiting for the server.
func leave(c *pgx.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.Close(ctx)
}

// Close closes what is idle now, and the rest when it would be.
func (p *postgres) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		leave(c.Conn)
	}
	p.idle = nil
	return nil
}
