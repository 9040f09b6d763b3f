package pgkv_test

import (
	"context"
	"flag"
	"os"
	"testing"

	"posthorn/internal/kv"
	"posthorn/internal/kv/kvtest"
	"posthorn/internal/kv/pgkv"
	"posthorn/internal/kv/pgkv/pgtest"
)

func TestMain(m *testing.M) {
	// Each crash costs a fifth of a second; -rapid.checks asks for more of them.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(pgtest.Main(m))
}

// subject is an engine on a server that can be killed.
type subject struct {
	server *pgtest.Server
	dsn    string
	engine *pgkv.Engine
}

func open(t *testing.T) kvtest.Subject {
	server := pgtest.Start(t)
	s := &subject{server: server, dsn: server.NewSchema(t)}
	s.engine = openEngine(t, pgkv.Options{DSN: s.dsn})
	return s
}

func openEngine(t testing.TB, o pgkv.Options) *pgkv.Engine {
	t.Helper()
	engine, err := pgkv.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	return engine
}

func (s *subject) Engine() kv.Engine         { return s.engine }
func (s *subject) RoundTrips() (int64, bool) { return s.engine.RoundTrips(), true }

// Crash kills the server. The old engine finds it again by itself.
func (s *subject) Crash(t *testing.T) {
	s.server.Kill(t)
	s.engine = openEngine(t, pgkv.Options{DSN: s.dsn})
}

func TestContract(t *testing.T) { kvtest.Run(t, open) }
