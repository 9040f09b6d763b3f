package pebblekv_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"posthorn/internal/kv"
)

// TestChurn overwrites and deletes values of all sizes with a tiny memtable, so
// that flushes, compactions and files of separated values are always under way,
// and the power fails again and again in the midst of it.
func TestChurn(t *testing.T) {
	s := &subject{disk: vfs.NewCrashableMem(), memTableSize: 64 << 10, random: rand.New(rand.NewPCG(5, 5))}
	s.open(t)
	defer func() {
		if err := s.engine.Close(); err != nil {
			t.Error(err)
		}
	}()
	shards := []kv.Shard{"a/1", "a/2", "a/3", "q"}
	model := map[kv.Shard]map[string]string{}
	for _, shard := range shards {
		model[shard] = map[string]string{}
	}
	text := string(letters(200 << 10))
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		for range 50 {
			churn(t, s, shards[s.random.IntN(len(shards))], model, text)
		}
		s.Crash(t)
		for _, shard := range shards {
			same(t, s, shard, model[shard])
		}
		if t.Failed() {
			return
		}
	}
}

// churn does one random Update, in the engine and in the model.
func churn(t *testing.T, s *subject, shard kv.Shard, model map[kv.Shard]map[string]string, text string) {
	after := maps.Clone(model[shard])
	err := s.engine.Update(t.Context(), []kv.Shard{shard}, func(tx kv.Tx) error {
		w := tx.In(shard)
		for range 1 + s.random.IntN(8) {
			key := fmt.Sprintf("%03d", s.random.IntN(300))
			switch s.random.IntN(10) {
			case 0:
				delete(after, key)
				if err := w.Delete([]byte(key)); err != nil {
					return err
				}
			case 1:
				to := fmt.Sprintf("%03d", s.random.IntN(300))
				if s.random.IntN(20) > 0 { // most ranges are short
					to = fmt.Sprintf("%s%d", key[:2], s.random.IntN(10))
				}
				maps.DeleteFunc(after, func(k, _ string) bool { return k >= key && k < to })
				if err := w.DeleteRange([]byte(key), []byte(to)); err != nil {
					return err
				}
			default:
				size := 1 << s.random.IntN(17)
				start := s.random.IntN(len(text) - size)
				after[key] = text[start : start+size]
				if err := w.Put([]byte(key), []byte(after[key])); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	model[shard] = after
}

// same compares a shard with the model, by a scan and by gets.
func same(t *testing.T, s *subject, shard kv.Shard, model map[string]string) {
	err := s.engine.View(t.Context(), shard, func(r kv.Reader) error {
		var keys []string
		err := r.Scan(kv.Range{}, func(key, value []byte) bool {
			keys = append(keys, string(key))
			if due, ok := model[string(key)]; !ok || due != string(value) {
				t.Errorf("%s %s: %d bytes where %d are due, %v", shard, key, len(value), len(due), ok)
			}
			return true
		})
		if due := slices.Sorted(maps.Keys(model)); !slices.Equal(keys, due) {
			t.Errorf("%s: %d keys, not %d", shard, len(keys), len(due))
		}
		for i := 0; i < len(keys) && err == nil; i += 17 {
			var value []byte
			if value, _, err = r.Get([]byte(keys[i])); string(value) != model[keys[i]] {
				t.Errorf("%s: Get %s gives %d bytes", shard, keys[i], len(value))
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
