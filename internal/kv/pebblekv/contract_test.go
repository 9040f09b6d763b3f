package pebblekv_test

import (
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"posthorn/internal/kv"
	"posthorn/internal/kv/kvtest"
	"posthorn/internal/kv/pebblekv"
)

// subject is an engine on a disk in memory that can lose its power: what was not
// synced is then there or not, block by block, at random.
type subject struct {
	disk   *vfs.MemFS
	slow   time.Duration // mean time of a sync
	random *rand.Rand
	engine *pebblekv.Engine

	memTableSize uint64
}

func (s *subject) Engine() kv.Engine         { return s.engine }
func (s *subject) RoundTrips() (int64, bool) { return 0, false }

func (s *subject) Crash(t *testing.T) {
	left := s.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: s.random.IntN(101), RNG: s.random})
	if err := s.engine.Close(); err != nil {
		t.Error(err)
	}
	s.disk = left
	s.open(t)
}

func (s *subject) open(t *testing.T) {
	t.Helper()
	var err error
	syncs := errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			time.Sleep(time.Duration(rand.ExpFloat64() * float64(s.slow)))
		}
		return nil
	})
	s.engine, err = pebblekv.Open("store", pebblekv.Options{
		FS:           errorfs.Wrap(s.disk, syncs),
		MemTableSize: s.memTableSize,
		Logger:       slog.New(slog.DiscardHandler),
		Fatal:        func(err error) { t.Errorf("fatal: %v", err) },
	})
	if err != nil {
		t.Fatal(err)
	}
}

func subjects(slow time.Duration, memTableSize uint64) func(*testing.T) kvtest.Subject {
	return func(t *testing.T) kvtest.Subject {
		s := &subject{disk: vfs.NewCrashableMem(), slow: slow, memTableSize: memTableSize, random: rand.New(rand.NewPCG(1, 2))}
		s.open(t)
		t.Cleanup(func() {
			if err := s.engine.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
}

func TestContract(t *testing.T) { kvtest.Run(t, subjects(0, 64<<10)) }

func TestContractOnSlowDisk(t *testing.T) { kvtest.Run(t, subjects(300*time.Microsecond, 0)) }
