package store_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"posthorn/internal/blob"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/kv/pgkv"
	"posthorn/internal/kv/pgkv/pgtest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(pgtest.Main(m))
}

// subject is an engine and a blob store that can lose their power.
type subject interface {
	engine() kv.Engine
	blobs() blob.Store
	crash()
	close()
}

func TestModelMem(t *testing.T) {
	testModel(t, 60, func() subject {
		return &memSubject{memkv.New(memkv.Options{Rerun: true}), memblob.New(memblob.Options{})}
	})
}

func TestModelPebble(t *testing.T) {
	testModel(t, 30, func() subject {
		s := &pebbleSubject{fs: vfs.NewCrashableMem(), store: memblob.New(memblob.Options{})}
		s.open()
		return s
	})
}

// A crash of PostgreSQL takes a while, so fewer of them have to do.
func TestModelPostgres(t *testing.T) {
	server := pgtest.Start(t)
	testModel(t, 4, func() subject {
		s := &postgresSubject{t: t, server: server, dsn: server.NewSchema(t), store: memblob.New(memblob.Options{})}
		s.open()
		return s
	})
}

// testModel runs random operations against the naive model, so many times unless
// -rapid.checks says otherwise.
func testModel(t *testing.T, checks int, open func() subject) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		defer f.Value.Set(f.DefValue)
		f.Value.Set(strconv.Itoa(checks))
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := open()
		defer func() { s.close() }()
		m := newMachine(s)
		m.sync(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"append": m.Append, "append again": m.Append, "store": m.Store, "expunge": m.Expunge,
			"copy or move": m.CopyOrMove, "create": m.Create, "annotate": m.Annotate, "delete": m.Delete, "rename": m.Rename,
			"look": m.Look, "look again": m.Look, "wait": m.Wait, "crash": m.Crash,
			"": m.Check,
		})
	})
}

type memSubject struct {
	kv    kv.Engine
	store blob.Store
}

func (s *memSubject) engine() kv.Engine { return s.kv }
func (s *memSubject) blobs() blob.Store { return s.store }
func (s *memSubject) crash()            {} // memory never loses what a commit returned for
func (s *memSubject) close()            { s.kv.Close(); s.store.Close() }

// pebbleSubject is Pebble on a file system in memory that forgets what was not synced.
type pebbleSubject struct {
	fs    *vfs.MemFS
	kv    kv.Engine
	store blob.Store
}

func (s *pebbleSubject) open() {
	e, err := pebblekv.Open("store", pebblekv.Options{
		FS: s.fs, CacheSize: 1 << 20, FreeSpace: func() (uint64, error) { return 1 << 40, nil },
	})
	if err != nil {
		panic(err)
	}
	s.kv = e
}

func (s *pebbleSubject) engine() kv.Engine { return s.kv }
func (s *pebbleSubject) blobs() blob.Store { return s.store }
func (s *pebbleSubject) close()            { s.kv.Close(); s.store.Close() }

func (s *pebbleSubject) crash() {
	after := s.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 2))})
	s.kv.Close()
	s.fs = after
	s.open()
}

// postgresSubject is a PostgreSQL that is killed.
type postgresSubject struct {
	t      *testing.T
	server *pgtest.Server
	dsn    string
	kv     kv.Engine
	store  blob.Store
}

func (s *postgresSubject) open() {
	e, err := pgkv.Open(s.t.Context(), pgkv.Options{DSN: s.dsn})
	if err != nil {
		s.t.Fatal(err)
	}
	s.kv = e
}

func (s *postgresSubject) engine() kv.Engine { return s.kv }
func (s *postgresSubject) blobs() blob.Store { return s.store }
func (s *postgresSubject) close()            { s.kv.Close(); s.store.Close() }

func (s *postgresSubject) crash() {
	s.server.Kill(s.t)
	s.kv.Close()
	s.open()
}
