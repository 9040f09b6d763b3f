package pgkv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// conn is a session of PostgreSQL, in pipeline mode for all its life.
//
// Whatever is sent between two syncs is one transaction: its first statement
// begins it, the sync commits it, and an error rolls it back. So there is no BEGIN
// and no COMMIT, and what needs no answer costs no round trip. A transaction that
// only reads is ended by a sync whose own answer nobody waits for: the next user
// of the connection passes over it on the way to its first result.
//
// A conn belongs to one goroutine at a time.
type conn struct {
	pg         *pgconn.PgConn
	pipe       *pgconn.Pipeline
	statements [numStatements]*pgconn.StatementDescription
	trips      *atomic.Int64 // counts round trips
	timeout    time.Duration // of one round trip

	session int64 // names this connection in the marks of its commits
	seq     int64 // the latest mark

	begun  bool  // something was sent since the last sync
	midway bool  // in the middle of the rows of a result; stays so after a panic
	syncs  int   // sent, and their answers not yet seen
	err    error // why the connection is of no use any more

	mu          sync.Mutex
	interrupted bool
}

var binaryFormat = []int16{1}

// send queues a statement.
func (c *conn) send(s statement, args ...[]byte) {
	c.begun = true
	c.pipe.SendQueryStatement(c.statements[s], args, binaryFormat, binaryFormat)
}

// flush sends what is queued and does not wait for answers.
func (c *conn) flush() error {
	if err := c.allow(); err != nil {
		return err
	}
	return c.fail(c.pipe.Flush())
}

// ask sends what is queued in order to wait for the answers: a round trip.
func (c *conn) ask() error {
	c.trips.Add(1)
	c.pipe.SendFlushRequest()
	return c.flush()
}

// next is the next result of this transaction.
func (c *conn) next() (*pgconn.ResultReader, error) {
	for {
		result, err := c.pipe.GetResults()
		earlier := c.syncs > 0 // it belongs to a transaction before this one
		switch r := result.(type) {
		case *pgconn.PipelineSync:
			c.syncs--
		case *pgconn.ResultReader:
			if !earlier {
				return r, nil
			}
		default:
			if err == nil {
				err = errors.New("fewer results than statements")
			}
			if err = c.fail(err); !earlier || c.err != nil {
				return nil, err
			}
		}
	}
}

// skip passes over n results that are of no interest.
func (c *conn) skip(n int) error {
	for range n {
		r, err := c.next()
		if err != nil {
			return err
		}
		if _, err := r.Close(); err != nil {
			return c.fail(err)
		}
	}
	return nil
}

// rows calls fn with the rows of the next result, until it returns false.
func (c *conn) rows(ctx context.Context, fn func(row [][]byte) bool) error {
	r, err := c.next()
	if err != nil {
		return err
	}
	c.midway = true
	for n := 0; r.NextRow(); n++ {
		// A reader of the network's buffer learns late that its ctx has ended.
		if n%16 == 1 && ctx.Err() != nil {
			return c.fail(errInterrupted)
		}
		if !fn(r.Values()) {
			break
		}
	}
	_, err = r.Close() // reads what is left
	c.midway = false
	return c.fail(err)
}

// row gives the only column of the next result's only row.
func (c *conn) row(ctx context.Context) (value []byte, ok bool, err error) {
	err = c.rows(ctx, func(row [][]byte) bool {
		value, ok = append([]byte{}, row[0]...), true
		return true
	})
	return value, ok, err
}

// commit sends what is queued and a sync, and waits for the end of the transaction.
// If that is an error of a statement, nothing was committed; after any other error
// the outcome is open.
func (c *conn) commit() error {
	c.trips.Add(1)
	if err := c.sync(); err != nil {
		return err
	}
	var failed error
	for c.syncs > 0 {
		earlier := c.syncs > 1
		result, err := c.pipe.GetResults()
		switch r := result.(type) {
		case *pgconn.PipelineSync:
			c.syncs--
			continue
		case *pgconn.ResultReader:
			_, err = r.Close()
		case nil:
			if err == nil {
				err = errors.New("no answer to a sync")
			}
		}
		if err = c.fail(err); c.err != nil {
			return err
		}
		if failed == nil && !earlier {
			failed = err
		}
	}
	return failed
}

// sync ends the transaction and does not wait for the answer.
func (c *conn) sync() error {
	c.begun = false
	c.syncs++
	c.pipe.SendPipelineSync()
	return c.flush()
}

// rest leaves the connection as its next user wants to find it; false if that is
// not possible.
func (c *conn) rest() bool {
	if c.err == nil && c.begun && !c.midway {
		_ = c.sync()
	}
	return c.err == nil && !c.midway
}

// fail notes it if err ends the connection, and returns err. Errors of statements
// end the transaction only.
func (c *conn) fail(err error) error {
	if err != nil && c.err == nil && (!isStatementError(err) || isWornOut(err)) {
		c.err = err
	}
	return err
}

// errInterrupted says that the ctx ended for whose sake something was waited for.
var errInterrupted = errors.New("interrupted")

// attend has the end of ctx interrupt whatever waits for this connection, until
// leave is called. A connection that was interrupted is of no use any more.
func (c *conn) attend(ctx context.Context) (leave func()) {
	stop := context.AfterFunc(ctx, c.interrupt)
	return func() {
		if !stop() {
			_ = c.fail(errInterrupted)
		}
	}
}

func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted = true
	_ = c.pg.Conn().SetDeadline(time.Unix(1, 0))
}

func (c *conn) wasInterrupted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.interrupted
}

// allow gives what comes next its time, unless the connection was interrupted.
func (c *conn) allow() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return c.err
	case c.interrupted:
		return c.fail(errInterrupted)
	}
	return c.fail(c.pg.Conn().SetDeadline(time.Now().Add(c.timeout)))
}

// close gives the server a moment to be told.
func (c *conn) close() {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	_ = c.pg.Close(ctx)
}

// prepare makes the prepared statements.
func (c *conn) prepare() error {
	name := func(s int) string { return fmt.Sprintf("kv%d", s) }
	for s, sql := range statements {
		c.pipe.SendPrepare(name(s), sql, nil)
	}
	if err := c.pipe.Sync(); err != nil {
		return err
	}
	for s := range statements {
		result, err := c.pipe.GetResults()
		if err != nil {
			return fmt.Errorf("%s: %w", statements[s], err)
		}
		c.statements[s] = result.(*pgconn.StatementDescription)
		c.statements[s].Name = name(s)
	}
	_, err := c.pipe.GetResults()
	return err
}
