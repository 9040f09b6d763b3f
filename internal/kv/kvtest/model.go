package kvtest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"posthorn/internal/kv"
)

// model is the naive engine: a map per shard.
type model map[kv.Shard]map[string]string

func (m model) clone() model {
	c := make(model)
	for shard, keys := range m {
		c[shard] = maps.Clone(keys)
	}
	return c
}

// scan is what a Scan of r must give.
func (m model) scan(shard kv.Shard, r kv.Range) []row {
	var due []row
	for _, key := range slices.Sorted(maps.Keys(m[shard])) {
		if key >= string(r.From) && (r.To == nil || key < string(r.To)) {
			due = append(due, row{key, m[shard][key]})
		}
	}
	if r.Reverse {
		slices.Reverse(due)
	}
	if r.Limit > 0 && len(due) > r.Limit {
		due = due[:r.Limit]
	}
	return due
}

func (m model) put(shard kv.Shard, key, value []byte) {
	if m[shard] == nil {
		m[shard] = make(map[string]string)
	}
	m[shard][string(key)] = string(value)
}

func (m model) deleteRange(shard kv.Shard, from, to []byte) {
	maps.DeleteFunc(m[shard], func(key, _ string) bool {
		return key >= string(from) && (to == nil || key < string(to))
	})
}

// op is one step of a random Update or View.
type op struct {
	kind       string
	shard      kv.Shard
	key, value []byte
	keys       [][]byte
	which      kv.Range
}

var modelShards = []kv.Shard{"m", "m/", "m/1", "n"}

// Few different bytes, so that keys meet.
var (
	genByte  = rapid.SampledFrom([]byte{0, 1, 'a', 'b', 0xfe, 0xff})
	genKey   = rapid.SliceOfN(genByte, 0, 3)
	genBound = rapid.OneOf(rapid.Just([]byte(nil)), genKey)
	genValue = rapid.SliceOfN(genByte, 0, 5)
	genRange = rapid.Custom(func(t *rapid.T) kv.Range {
		return kv.Range{
			From: genBound.Draw(t, "from"), To: genBound.Draw(t, "to"),
			Reverse: rapid.Bool().Draw(t, "reverse"), Limit: max(0, rapid.IntRange(-4, 6).Draw(t, "limit")),
		}
	})
)

func genOps(shards []kv.Shard, kinds ...string) *rapid.Generator[[]op] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op {
		o := op{kind: rapid.SampledFrom(kinds).Draw(t, "kind"), shard: rapid.SampledFrom(shards).Draw(t, "shard")}
		switch o.kind {
		case "put":
			o.key, o.value = genKey.Draw(t, "key"), genValue.Draw(t, "value")
		case "get", "delete":
			o.key = genKey.Draw(t, "key")
		case "getEach":
			o.keys = rapid.SliceOfN(genKey, 0, 6).Draw(t, "keys")
		default:
			o.which = genRange.Draw(t, "range")
		}
		return o
	}), 1, 12)
}

// read does a get, getEach or scan and compares it with the model.
func (o op) read(r kv.Reader, m model) error {
	switch o.kind {
	case "getEach":
		var got, due []row
		err := r.GetEach(o.keys, func(i int, value []byte, ok bool) bool {
			got = append(got, row{fmt.Sprint(i, ok), string(value)})
			return true
		})
		for i, key := range o.keys {
			value, there := m[o.shard][string(key)]
			due = append(due, row{fmt.Sprint(i, there), value})
		}
		if err == nil && !slices.Equal(got, due) {
			err = fmt.Errorf("getEach %s %q: %v, not %v", o.shard, o.keys, got, due)
		}
		return err
	case "get":
		value, ok, err := r.Get(o.key)
		due, there := m[o.shard][string(o.key)]
		if err == nil && (ok != there || !bytes.Equal(value, []byte(due))) {
			err = fmt.Errorf("get %s %q: %q, %v, not %q, %v", o.shard, o.key, value, ok, due, there)
		}
		return err
	}
	got, err := rows(r, o.which)
	if due := m.scan(o.shard, o.which); err == nil && !slices.Equal(got, due) {
		err = fmt.Errorf("scan %s %+v: %v, not %v", o.shard, o.which, got, due)
	}
	return err
}

// apply does the step in an Update and in the model.
func (o op) apply(tx kv.Tx, m model) error {
	w := tx.In(o.shard)
	switch o.kind {
	case "put":
		m.put(o.shard, o.key, o.value)
		return w.Put(o.key, o.value)
	case "delete":
		delete(m[o.shard], string(o.key))
		return w.Delete(o.key)
	case "deleteRange":
		m.deleteRange(o.shard, o.which.From, o.which.To)
		return w.DeleteRange(o.which.From, o.which.To)
	}
	return o.read(w, m)
}

// testModel runs random Updates, Views, lists and crashes, and compares the engine
// with the model after each.
func testModel(t *testing.T, s Subject) {
	rapid.Check(t, func(rt *rapid.T) {
		m := make(model)
		err := s.Engine().Update(t.Context(), modelShards, func(tx kv.Tx) error {
			for _, shard := range modelShards {
				if err := tx.In(shard).DeleteRange(nil, nil); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			step := rapid.SampledFrom([]string{"update", "update", "update", "fail", "view", "list", "crash"}).Draw(rt, "step")
			if step == "crash" && !rapid.Bool().Draw(rt, "really") {
				continue
			}
			if err := modelStep(t, rt, s, step, &m); err != nil {
				rt.Fatal(err)
			}
		}
		for _, shard := range modelShards {
			if err := differ(all(t, s, shard), m.scan(shard, kv.Range{})); err != nil {
				rt.Fatalf("in the end, shard %s: %v", shard, err)
			}
		}
	})
}

func modelStep(t *testing.T, rt *rapid.T, s Subject, step string, m *model) error {
	switch step {
	case "update", "fail":
		return modelUpdate(t, rt, s, step == "fail", m)
	case "view":
		shard := rapid.SampledFrom(modelShards).Draw(rt, "shard")
		ops := genOps([]kv.Shard{shard}, "get", "getEach", "scan").Draw(rt, "ops")
		return s.Engine().View(t.Context(), shard, func(r kv.Reader) error {
			for _, o := range ops {
				if err := o.read(r, *m); err != nil {
					return err
				}
			}
			return nil
		})
	case "list":
		return modelList(t, s, *m)
	default:
		s.Crash(t)
		return nil
	}
}

func modelUpdate(t *testing.T, rt *rapid.T, s Subject, fail bool, m *model) error {
	shards := rapid.Permutation(modelShards).Draw(rt, "shards")[:rapid.IntRange(1, 3).Draw(rt, "n")]
	ops := genOps(shards, "put", "put", "put", "delete", "deleteRange", "get", "getEach", "scan").Draw(rt, "ops")
	var after model
	err := s.Engine().Update(t.Context(), shards, func(tx kv.Tx) error {
		after = m.clone()
		for _, o := range ops {
			if err := o.apply(tx, after); err != nil {
				return err
			}
		}
		if fail {
			return errOnPurpose
		}
		return nil
	})
	switch {
	case fail && err == errOnPurpose:
		return nil
	case err == nil:
		*m = after
	}
	return err
}

func modelList(t *testing.T, s Subject, m model) error {
	var got, due []kv.Shard
	for _, shard := range modelShards {
		if len(m[shard]) > 0 {
			due = append(due, shard)
		}
	}
	err := s.Engine().Shards(t.Context(), "", func(shard kv.Shard) bool {
		got = append(got, shard)
		return true
	})
	if err == nil && !slices.Equal(got, due) {
		err = fmt.Errorf("shards: %q, not %q", got, due)
	}
	return err
}
