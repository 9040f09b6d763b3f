// Package pgtest gives tests a PostgreSQL of their own.
//
// Start brings up a private server: a fresh cluster in a temporary directory,
// reachable through a Unix socket in that directory and nowhere else, with fsync
// on, because durability is among the things that are tested. A package whose
// TestMain calls Main has one server for all its tests:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
// Without it every Start has a server to itself. Either way the server ends, and
// its directory goes, with those who use it; should the test binary be killed, the
// kernel ends the server. A machine without PostgreSQL fails the tests instead of
// skipping them: a second real engine that nobody runs keeps nothing honest.
//
// It never uses, configures or stops a server that it did not start.
package pgtest

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// shared is the server of a test binary whose TestMain calls Main.
var shared struct {
	mu     sync.Mutex
	inMain bool
	server *Server
}

// Main runs the tests of a package, which then share one server, and stops it.
// It gives the exit code.
func Main(m *testing.M) int {
	shared.inMain = true
	defer func() {
		if shared.server != nil {
			shared.server.remove()
		}
	}()
	return m.Run()
}

// Start gives a running server.
func Start(t testing.TB) *Server {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server != nil {
		return shared.server
	}
	server, err := start()
	if err != nil {
		t.Fatal(err)
	}
	if shared.inMain {
		shared.server = server
	} else {
		t.Cleanup(server.remove)
	}
	return server
}

// Server is a private PostgreSQL server.
type Server struct {
	program    program
	dir        string // everything it has: data, socket, log
	postmaster *postmaster

	mu        sync.Mutex
	databases int // made so far
	schemas   int
}

func start() (*Server, error) {
	p, err := findProgram()
	if err != nil {
		return nil, err
	}
	if err := adoptOrphans(); err != nil {
		return nil, err
	}
	dir, err := newCluster(p)
	if err != nil {
		return nil, err
	}
	s := &Server{program: p, dir: dir}
	if err := s.run(); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// DSN is the connection string of a database. The role is a superuser's.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("host=%s port=5432 user=postgres dbname=%s sslmode=disable", s.dir, database)
}

// NewDatabase makes an empty database and gives its name.
func (s *Server) NewDatabase(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	s.databases++
	name := fmt.Sprintf("test%d", s.databases)
	s.mu.Unlock()
	s.Exec(t, "postgres", "CREATE DATABASE "+name)
	return name
}

// NewSchema makes an empty schema and gives the connection string that leads there.
// It is much cheaper than a database of its own; advisory locks and notifications
// are shared with other schemas.
func (s *Server) NewSchema(t testing.TB) (dsn string) {
	t.Helper()
	s.mu.Lock()
	s.schemas++
	name := fmt.Sprintf("test%d", s.schemas)
	s.mu.Unlock()
	s.Exec(t, "postgres", "CREATE SCHEMA "+name)
	return s.DSN("postgres") + " search_path=" + name
}

// Socket is the path of the socket that the server listens on.
func (s *Server) Socket() string { return filepath.Join(s.dir, ".s.PGSQL.5432") }

// Exec runs SQL in a database, on a connection for it alone, and gives the rows
// of its last statement.
func (s *Server) Exec(t testing.TB, database, sql string) [][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgconn.Connect(ctx, s.DSN(database))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	defer c.Close(ctx)
	results, err := c.Exec(ctx, sql).ReadAll()
	if err != nil {
		t.Fatalf("pgtest: %s: %v", sql, err)
	}
	var rows [][]string
	for _, row := range results[len(results)-1].Rows {
		var texts []string
		for _, value := range row {
			texts = append(texts, string(value))
		}
		rows = append(rows, texts)
	}
	return rows
}

// Kill kills the server's processes where they stand, and starts it again: what
// comes back is what its crash recovery finds on the disk. Kills of a server that
// tests share hit all of them.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.Down(t)
	s.Up(t)
}

// Down is the first half of Kill.
func (s *Server) Down(t testing.TB) {
	t.Helper()
	if err := s.postmaster.kill(); err != nil {
		t.Fatal(err)
	}
}

// Up is the second half of Kill.
func (s *Server) Up(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// patience is how long anything here may take on a machine that has other things
// to do as well.
const patience = 30 * time.Second
