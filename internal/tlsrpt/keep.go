package tlsrpt

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"posthorn/internal/kv"
)

const shard kv.Shard = "tlsrpt"

// Keys are a day, a NUL and a destination; without a destination, how many there are.
func (k key) bytes() []byte { return []byte(k.day + "\x00" + k.domain) }

// maxDestinations is for how many destinations a day is counted.
const maxDestinations = 100_000

// batch is how many destinations one commit keeps.
const batch = 500

// keep adds what was counted to what the engine has. What it cannot keep is counted
// further.
func (c *Counter) keep(ctx context.Context) error {
	c.mu.Lock()
	all := c.pending
	c.pending = map[key]*Tally{}
	c.mu.Unlock()
	for len(all) > 0 {
		some := make(map[key]*Tally, min(len(all), batch))
		for k, t := range all {
			if some[k] = t; len(some) == batch {
				break
			}
		}
		if err := c.write(ctx, some); err != nil {
			c.takeBack(all)
			return err
		}
		for k := range some {
			delete(all, k)
		}
	}
	return nil
}

func (c *Counter) takeBack(all map[key]*Tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, t := range c.pending {
		if before := all[k]; before != nil {
			before.add(t)
		} else if len(all) < maxPending {
			all[k] = t
		}
	}
	c.pending = all
}

// write adds to what the engine has.
func (c *Counter) write(ctx context.Context, some map[key]*Tally) error {
	return c.options().Engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error {
		w := tx.In(shard)
		counts := map[string]uint64{}
		for k, t := range some {
			if _, ok := counts[k.day]; !ok {
				b, _, err := w.Get(key{day: k.day}.bytes())
				if err != nil {
					return err
				}
				counts[k.day], _ = binary.Uvarint(b)
			}
			isNew, err := merge(w, k, t, counts[k.day] < maxDestinations)
			if err != nil {
				return err
			}
			if isNew {
				counts[k.day]++
			}
		}
		for day, n := range counts {
			if err := w.Put(key{day: day}.bytes(), binary.AppendUvarint(nil, n)); err != nil {
				return err
			}
		}
		return nil
	})
}

// merge adds a tally to the one that is kept; if there is none yet, only if there is
// room for another. What is damaged is begun anew.
func merge(w kv.Writer, k key, t *Tally, room bool) (isNew bool, err error) {
	b, found, err := w.Get(k.bytes())
	if err != nil || !found && !room {
		return false, err
	}
	kept := new(Tally)
	if found {
		if before, err := decode(b); err == nil {
			kept = before
		}
	}
	kept.add(t)
	return !found, w.Put(k.bytes(), kept.encode())
}

// some reads up to limit tallies of days before a day, in their order, after a key.
func (c *Counter) some(ctx context.Context, after []byte, before string, limit int) (keys []key, tallies []*Tally, err error) {
	err = c.options().Engine.View(ctx, shard, func(r kv.Reader) error {
		keys, tallies = nil, nil
		from := append(bytes.Clone(after), 0)
		if after == nil {
			from = nil
		}
		return r.Scan(kv.Range{From: from, To: []byte(before)}, func(k, value []byte) bool {
			day, domain, _ := bytes.Cut(k, []byte{0})
			if len(domain) == 0 {
				return true
			}
			t, err := decode(value)
			if err != nil {
				t = new(Tally) // of no use to anybody, and removed like the others
			}
			keys, tallies = append(keys, key{string(day), string(domain)}), append(tallies, t)
			return len(keys) < limit
		})
	})
	return keys, tallies, err
}

// forget removes what was counted for a destination on a day.
func (c *Counter) forget(ctx context.Context, k key) error {
	return c.options().Engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error {
		return tx.In(shard).Delete(k.bytes())
	})
}

// keepFor is how long it is tried to report on a day.
const keepFor = 3 * 24 * time.Hour

// forgetOld removes what nobody will be told any more.
func (c *Counter) forgetOld(ctx context.Context) error {
	return c.options().Engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error {
		return tx.In(shard).DeleteRange(nil, []byte(day(time.Now().Add(-keepFor))))
	})
}

// Tallies calls fn with what was counted, day by day, until fn returns false. What
// was counted within the last minute is missing.
func (c *Counter) Tallies(ctx context.Context, fn func(day, domain string, t *Tally) bool) error {
	var after []byte
	for {
		keys, tallies, err := c.some(ctx, after, "9999", batch)
		if err != nil || len(keys) == 0 {
			return err
		}
		for i, k := range keys {
			if !fn(k.day, k.domain, tallies[i]) {
				return nil
			}
		}
		after = keys[len(keys)-1].bytes()
	}
}
