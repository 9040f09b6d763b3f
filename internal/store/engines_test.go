package store_test

import (
	"flag"
	"os"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv/enginetest"
	"posthorn/internal/kv/pgkv/pgtest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(pgtest.Main(m))
}

func TestModelMem(t *testing.T) { testModel(t, 60, enginetest.Mem) }

func TestModelPebble(t *testing.T) { testModel(t, 30, enginetest.Pebble) }

// A crash of PostgreSQL takes a while, so fewer of them have to do.
func TestModelPostgres(t *testing.T) { testModel(t, 4, enginetest.Postgres(t)) }

// testModel runs random operations against the naive model, so many times unless
// -rapid.checks says otherwise.
func testModel(t *testing.T, checks int, open enginetest.Open) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		defer f.Value.Set(f.DefValue)
		f.Value.Set(strconv.Itoa(checks))
	}
	rapid.Check(t, func(rt *rapid.T) {
		on, blobs := open(), memblob.New(memblob.Options{})
		defer func() { on.Close(); blobs.Close() }()
		m := newMachine(on, blobs)
		m.sync(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"append": m.Append, "append again": m.Append, "store": m.Store, "expunge": m.Expunge,
			"copy or move": m.CopyOrMove, "create": m.Create, "annotate": m.Annotate, "delete": m.Delete, "rename": m.Rename,
			"restore": m.Restore, "age": m.Age,
			"look": m.Look, "look again": m.Look, "wait": m.Wait, "crash": m.Crash,
			"": m.Check,
		})
	})
}
