// Package sqlsource asks a database who somebody is: PostgreSQL, MySQL (and MariaDB) or a
// file of SQLite. It is a directory.Source.
//
// It owns the connections and the one query that the operator has written, which gives
// the hash of a password for an address, or nothing. It never changes anything, never puts
// what a client has said into the text of the query (there are placeholders for that), and
// compares no password: the directory does.
//
// Invariants: no row is the only way to say that somebody is not there. Two of them, a
// server that is down, a query that it does not understand: all these are failures, and
// tell nothing of anybody.
package sqlsource

import (
	"context"
	"crypto/tls"
	"database/sql"
	"net/url"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
)

// Engine is what kind of database it is.
type Engine string

// The engines.
const (
	Postgres Engine = "postgres"
	MySQL    Engine = "mysql"
	SQLite   Engine = "sqlite"
)

// Options say which database is asked, and what.
type Options struct {
	Engine   Engine
	DSN      string      // as the driver wants it; of SQLite, the file
	Password string      // in place of that in DSN; "": as there
	TLS      *tls.Config // of MySQL; nil: as DSN says
	// Query has placeholders as the engine wants them, $1 or ?, for Parameters. Its first
	// column is the {SCHEME}hash; one that is NULL or empty is nobody's password.
	Query       string
	Parameters  []string // "address", "local", "domain"
	Connections int      // most at a time
}

// Parameters lists what a query can be given.
func Parameters() []string { return []string{"address", "local", "domain"} }

// idle is how long a connection that nobody uses is kept.
const idle = time.Minute

// Source is a database with people in it.
type Source struct {
	db database
	o  Options
}

// database is how an engine is asked.
type database interface {
	ask(ctx context.Context, query string, parameters []any) (answer, error)
	Close() error
}

// answer is what a query gives.
type answer struct {
	rows int // 2 stands for all that is more than one
	hash string
}

// Open reads the options. The database is not asked yet: it may be down. Kind of error: Invalid.
func Open(o Options) (*Source, error) {
	for _, name := range o.Parameters {
		if !slices.Contains(Parameters(), name) {
			return nil, fault.New(fault.Invalid, "sqlsource: there is no parameter %q", name)
		}
	}
	db, err := open(&o)
	if err != nil {
		return nil, err
	}
	return &Source{db, o}, nil
}

func open(o *Options) (database, error) {
	var db *sql.DB
	var err error
	switch o.Engine {
	case Postgres:
		return openPostgres(o)
	case MySQL:
		db, err = openMySQL(o)
	case SQLite:
		// What has a meaning in a URL is escaped. Nothing makes the file if it is not there.
		name := url.URL{Scheme: "file", Opaque: (&url.URL{Path: o.DSN}).EscapedPath(), RawQuery: "mode=ro&_pragma=busy_timeout(2000)"}
		db, err = sql.Open("sqlite", name.String())
	default:
		err = fault.New(fault.Invalid, "sqlsource: there is no engine %q", o.Engine)
	}
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(max(o.Connections, 1))
	db.SetMaxIdleConns(max(o.Connections, 1))
	db.SetConnMaxIdleTime(idle)
	return standard{db}, nil
}

func openMySQL(o *Options) (*sql.DB, error) {
	c, err := mysql.ParseDSN(o.DSN)
	if err != nil {
		return nil, fault.New(fault.Invalid, "sqlsource: %w", err)
	}
	if o.Password != "" {
		c.Passwd = o.Password
	}
	if o.TLS != nil {
		c.TLS = o.TLS.Clone()
		c.TLSConfig = ""
	}
	// Placeholders stay placeholders until they are in the server, one statement is one,
	// and the server gets no file of ours.
	c.InterpolateParams, c.MultiStatements, c.AllowAllFiles = false, false, false
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fault.New(fault.Invalid, "sqlsource: %w", err)
	}
	return sql.OpenDB(connector), nil
}

// Lookup is of directory.Source.
func (s *Source) Lookup(ctx context.Context, address addr.Address) (directory.Found, error) {
	all := map[string]string{"address": address.String(), "local": address.Local, "domain": address.Domain}
	parameters := make([]any, len(s.o.Parameters))
	for i, name := range s.o.Parameters {
		parameters[i] = all[name]
	}
	found, err := s.db.ask(ctx, s.o.Query, parameters)
	switch {
	case err != nil && ctx.Err() != nil:
		return directory.Found{}, fault.New(fault.Unavailable, "sqlsource: no answer in time: %w", err)
	case err != nil:
		return directory.Found{}, fault.New(fault.Unavailable, "sqlsource: %w", err)
	case found.rows == 0:
		return directory.Found{}, fault.New(fault.NotFound, "sqlsource: there is no %s", address)
	case found.rows > 1:
		return directory.Found{}, fault.New(fault.Unavailable, "sqlsource: the query gives several rows for %s", address)
	}
	return directory.Found{Hash: found.hash}, nil
}

// standard is a database behind package sql.
type standard struct{ *sql.DB }

func (db standard) ask(ctx context.Context, query string, parameters []any) (a answer, err error) {
	rows, err := db.QueryContext(ctx, query, parameters...)
	if err != nil {
		return a, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return a, err
	}
	for a.rows < 2 && rows.Next() {
		a.rows++
		var hash sql.NullString
		to := make([]any, len(columns))
		for i := range to {
			to[i] = new(any)
		}
		to[0] = &hash
		if err := rows.Scan(to...); err != nil {
			return a, err
		}
		a.hash = hash.String
	}
	return a, rows.Err()
}

// Close is of directory.Source.
func (s *Source) Close() error { return s.db.Close() }
