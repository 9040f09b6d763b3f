package pgkv

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"posthorn/internal/fault"
)

// transient marks an error after which the same may go well when it is tried
// again from its start. No Update or View returns it.
type transient struct{ error }

func (t transient) Unwrap() error { return t.error }

// PostgreSQL's error codes that are told apart, besides whole classes of them.
const (
	diskFull            = "53100"
	tooManyConnections  = "53300"
	serializationFailed = "40001"
	deadlockDetected    = "40P01"
	readOnly            = "25006" // the server has become a standby
	programLimit        = "54000" // a key is too long for the index
	planChanged         = "0A000" // another node has migrated the schema
	noSuchStatement     = "26000"
	dataCorrupted       = "XX001"
	indexCorrupted      = "XX002"
)

// codeOf is PostgreSQL's code of an error, if it has one.
func codeOf(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// isStatementError reports whether err is the server's word that a statement has
// failed and nothing of its transaction will be committed.
func isStatementError(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.SeverityUnlocalized == "ERROR"
}

// isWornOut reports whether err, an error of a statement, would come again and
// again on this connection, and not on a new one.
func isWornOut(err error) bool {
	switch codeOf(err) {
	case readOnly, planChanged, noSuchStatement:
		return true
	}
	return false
}

// kindOf maps what can go wrong with a server to a kind.
func kindOf(err error) fault.Kind {
	var known *fault.Error
	code := codeOf(err)
	switch {
	case errors.As(err, &known):
		return known.Kind
	case code == diskFull:
		return fault.StorageFull
	case code == dataCorrupted, code == indexCorrupted:
		return fault.Corrupt
	case code == programLimit:
		return fault.TooLarge
	}
	return fault.Unavailable // not reachable, not willing, or not what we expect
}

// isTransient reports whether trying again may help.
func isTransient(err error) bool {
	code := codeOf(err)
	switch code {
	case serializationFailed, deadlockDetected, tooManyConnections:
		return true
	case "": // not the server's word: the connection or the attempt to make one
		return kindOf(err) == fault.Unavailable
	}
	return isWornOut(err) || code[:2] == "08" || code[:3] == "57P" // the connection, the server going up or down
}

// failure is the error to give for err, which came while ctx was attended to.
func failure(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return canceled(ctx, what)
	}
	f := fault.New(kindOf(err), "pgkv: %s: %w", what, err)
	if isTransient(err) {
		return transient{f}
	}
	return f
}

func canceled(ctx context.Context, what string) error {
	return fault.New(fault.Canceled, "pgkv: %s: %w", what, context.Cause(ctx))
}
