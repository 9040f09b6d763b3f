// Package enginetest opens each engine, on a machine that can lose its power, for tests
// of what lies on engines. What an engine itself must do is in kvtest.
//
// A package that uses Postgres has a TestMain which calls pgtest.Main.
package enginetest

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/kv/pgkv"
	"posthorn/internal/kv/pgkv/pgtest"
)

// Machine runs an engine on an empty store.
type Machine interface {
	Engine() kv.Engine // the one that runs since the last crash
	Crash()            // loses what is not durable, and opens the engine anew
	Close()
}

// Open starts a machine.
type Open func() Machine

// Mem is memkv, which repeats each transaction, as engines may.
func Mem() Machine {
	return &mem{memkv.New(memkv.Options{Rerun: true})}
}

type mem struct{ kv kv.Engine }

func (m *mem) Engine() kv.Engine { return m.kv }
func (m *mem) Crash()            {} // memory never loses what a commit returned for
func (m *mem) Close()            { m.kv.Close() }

// Pebble is pebblekv on a file system in memory that forgets what was not synced.
func Pebble() Machine {
	m := &pebble{fs: vfs.NewCrashableMem()}
	m.open()
	return m
}

type pebble struct {
	fs *vfs.MemFS
	kv kv.Engine
}

func (m *pebble) open() {
	e, err := pebblekv.Open("store", pebblekv.Options{
		FS: m.fs, CacheSize: 1 << 20, FreeSpace: func() (uint64, error) { return 1 << 40, nil },
	})
	if err != nil {
		panic(err)
	}
	m.kv = e
}

func (m *pebble) Engine() kv.Engine { return m.kv }
func (m *pebble) Close()            { m.kv.Close() }

func (m *pebble) Crash() {
	after := m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 2))})
	m.kv.Close()
	m.fs = after
	m.open()
}

// Postgres is pgkv on a PostgreSQL of the test's own, which is killed in a crash.
func Postgres(t testing.TB) Open {
	server := pgtest.Start(t)
	return func() Machine {
		m := &postgres{t: t, server: server, dsn: server.NewSchema(t)}
		m.open()
		return m
	}
}

type postgres struct {
	t      testing.TB
	server *pgtest.Server
	dsn    string
	kv     kv.Engine
}

func (m *postgres) open() {
	e, err := pgkv.Open(m.t.Context(), pgkv.Options{DSN: m.dsn})
	if err != nil {
		m.t.Fatal(err)
	}
	m.kv = e
}

func (m *postgres) Engine() kv.Engine { return m.kv }
func (m *postgres) Close()            { m.kv.Close() }

func (m *postgres) Crash() {
	m.server.Kill(m.t)
	m.kv.Close()
	m.open()
}
