package history

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"posthorn/internal/kv/pgkv"
	"posthorn/internal/kv/pgkv/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// Two nodes on one PostgreSQL tell one history.
func TestTwoNodes(t *testing.T) {
	dsn := pgtest.Start(t).NewSchema(t)
	var nodes [2]*History
	var group sync.WaitGroup
	for i := range nodes {
		engine, err := pgkv.Open(t.Context(), pgkv.Options{DSN: dsn})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { engine.Close() })
		nodes[i], _ = open(t, engine)
	}
	for i := range nodes {
		group.Go(func() {
			for n := range 1500 {
				nodes[i].Record(accepted(10_000*i + n))
				nodes[1-i].Record(delivered(10_000*i + n))
			}
		})
	}
	group.Wait()
	nodes[1].Close(context.Background()) // what it had told, the other one finds
	for _, n := range []int{0, 1499, 10_000, 11_499} {
		lives := find(t, nodes[0], accepted(n).MessageID)
		if len(lives) != 1 || lives[0].Message != fmt.Sprintf("message%09d", n) || len(lives[0].Events) != 2 {
			t.Errorf("message %d: %s", n, names(lives))
		}
	}
}
