package history

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"posthorn/internal/kv/pebblekv"
)

// A power cut costs what was not yet written, at most, and nothing else.
func TestPowerCut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	recorded := 0
	for round := range uint64(10) {
		engine, err := pebblekv.Open("store", pebblekv.Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		h, log := open(t, engine)
		answer, err := h.Search(t.Context(), Query{What: "remote.test", Limit: 100_000})
		if err != nil || len(answer.Lives) != recorded {
			t.Fatalf("round %d: %d messages, want %d; %v\n%s", round, len(answer.Lives), recorded, err, log)
		}
		for range 1500 {
			h.Record(accepted(recorded))
			recorded++
		}
		h.sealOpen()
		h.wake()
		for deadline := time.Now().Add(20 * time.Second); h.unwritten() > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d events are not written:\n%s", h.unwritten(), log)
			}
		}
		lost := accepted(1_000_000)
		h.Record(lost)
		fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(round) * 10, RNG: rand.New(rand.NewPCG(round, 1))})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		h.Close(ctx)
		engine.Close()
	}
}
