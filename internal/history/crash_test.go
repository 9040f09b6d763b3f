package history

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"posthorn/internal/kv/pebblekv"
)

// A power cut costs what was not yet written, at most, and nothing else.
func TestPowerCut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	recorded, late := 0, accepted(1_000_000) // which may be written just before the power fails
	for round := range uint64(10) {
		engine, err := pebblekv.Open("store", pebblekv.Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		h, log := open(t, engine)
		answer, err := h.Search(t.Context(), Query{What: "remote.test", Limit: 100_000})
		kept := slices.DeleteFunc(answer.Lives, func(l Life) bool { return l.Message == late.Message })
		if err != nil || len(kept) != recorded {
			t.Fatalf("round %d: %d messages, want %d; %v\n%s", round, len(kept), recorded, err, log)
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
		h.Record(late)
		fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(round) * 10, RNG: rand.New(rand.NewPCG(round, 1))})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		h.Close(ctx)
		engine.Close()
	}
}
