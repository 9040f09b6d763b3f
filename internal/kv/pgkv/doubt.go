package pgkv

import (
	"context"
	"log/slog"

	"posthorn/internal/fault"
)

// When a connection is lost while a commit is on its way, nobody here knows what
// became of it. Asking for the state of the transaction's xid would not do: after
// a crash or a failover PostgreSQL may have given the same xid to somebody else.
//
// So each transaction that writes leaves a mark of its own in the table kv_commit:
// the session's random number and a count. Who is in doubt claims the mark for
// himself. Either the claim comes first; then the transaction, should it still be
// alive anywhere between here and the server, runs into the unique key and can
// never commit. Or the mark is there; then the transaction has committed. A claim
// made while the transaction is about to commit waits for its end.

// marksKept is how many marks a session leaves behind before it clears them away.
const marksKept = 64

// oldMarks clears away what sessions of days past left behind.
const oldMarks = `DELETE FROM kv_commit WHERE at < now() - interval '2 days'`

func (t *tx) sendMark() {
	c := t.conn
	c.seq++
	if c.seq%marksKept == 0 {
		c.send(unmark, bigint(c.session), bigint(c.seq))
	}
	c.send(mark, bigint(c.session), bigint(c.seq))
}

// resolver finds out about commits whose outcome is open.
type resolver struct {
	dialer *dialer         // not a pool: the caller holds a place in that already
	alive  context.Context // ends when the engine must not wait any longer
	log    *slog.Logger
}

// committed tells whether the transaction with this mark has committed. It goes
// on asking until there is an answer: the callers of Update must not be left in
// doubt. The cause is why there is a doubt.
func (r *resolver) committed(session, seq int64, cause error) (bool, error) {
	var pauses backoff
	for {
		done, err := r.claim(session, seq)
		if err == nil {
			r.log.Warn("connection lost during a commit", "committed", done, "error", cause)
			return done, nil
		}
		if pauses.wait(r.alive) != nil {
			return false, fault.New(fault.Unavailable, "pgkv: update: closed before the outcome of a commit was known: %w", cause)
		}
	}
}

func (r *resolver) claim(session, seq int64) (committed bool, err error) {
	c, err := r.dialer.writer(r.alive)
	if err != nil {
		return false, err
	}
	defer c.close()
	defer c.attend(r.alive)()
	c.send(claim, bigint(session), bigint(seq))
	if err := c.commit(); err != nil {
		return false, err
	}
	// The mark may have been ours already: a claim can get lost as well.
	c.send(claimed, bigint(session), bigint(seq))
	if err := c.ask(); err != nil {
		return false, err
	}
	void, ok, err := c.row(r.alive)
	if err == nil && !ok {
		err = fault.New(fault.Corrupt, "the mark of a commit is gone")
	}
	return ok && void[0] == 0, err
}
