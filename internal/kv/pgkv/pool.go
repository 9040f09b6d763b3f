package pgkv

import (
	"context"
	"sync"
)

// pool lends connections of one kind, at most so many at a time.
type pool struct {
	dial func(context.Context) (*conn, error)
	out  chan struct{} // a token for each connection lent

	mu   sync.Mutex
	idle []*conn // the last used at the end
}

func newPool(size int, dial func(context.Context) (*conn, error)) *pool {
	return &pool{dial: dial, out: make(chan struct{}, size)}
}

// get lends a connection, a new one if none is idle.
func (p *pool) get(ctx context.Context) (*conn, error) {
	select {
	case p.out <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := p.dial(ctx)
	if err != nil {
		<-p.out
	}
	return c, err
}

// put takes a connection back, whatever its state.
func (p *pool) put(c *conn) {
	defer func() { <-p.out }()
	if c.rest() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.idle = append(p.idle, c)
		return
	}
	c.close()
	if c.err != nil && !c.wasInterrupted() {
		// The server may have gone; then the idle ones are as dead.
		p.clear()
	}
}

// clear closes what is idle.
func (p *pool) clear() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
}
