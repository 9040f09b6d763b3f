package store

import (
	"io"
	"testing"
	"time"

	"posthorn/internal/kv"
)

// What an older program has left behind is completed by Maintain, a bounded part in each
// commit; a damaged record keeps nothing from that. Copies share from then on.
func TestUpgrade(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, a := newTestStore(t, func() time.Time { return now })
	in := s.NewIncoming(t.Context())
	io.WriteString(in, "Subject: one of many\r\n\r\n")
	m, err := in.Finish()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Release()
	const many = (2*identifyAtOnce + 1) << chunkBits
	err = a.Update(t.Context(), func(tx *Tx) error {
		for range many {
			if _, err := tx.Append(InboxID, m, AppendOptions{InternalDate: time.Unix(1_600_000_000, 0).In(zone(90))}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Age(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	err = s.engine.Update(t.Context(), []kv.Shard{a.shard}, func(tx kv.Tx) error {
		return tx.In(a.shard).Put(keyRecord(InboxID, 2), []byte{recordVersion})
	})
	if err != nil {
		t.Fatal(err)
	}
	s = New(Options{Engine: s.engine, Blobs: s.blobs, Clock: s.clock, InlineLimit: 1000})
	a = s.Account(1)
	unknown := func() (n int) {
		snap, err := a.Snapshot(t.Context(), InboxID)
		if err != nil {
			t.Fatal(err)
		}
		snap.Each(1, snap.Len(), func(_ int, e Entry) bool {
			if e.Content == 0 || e.Zone == UnknownZone {
				n++
			}
			return true
		})
		return n
	}
	if n := unknown(); n != many+3 {
		t.Fatalf("the contents of %d messages are unknown, expected %d", n, many+3)
	}
	for range 2 {
		if err := s.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := unknown(); n != 1 {
		t.Errorf("the contents of %d messages are unknown after maintenance, expected 1, the damaged one", n)
	}
	err = a.Update(t.Context(), func(tx *Tx) error {
		_, err := tx.Copy(InboxID, []UIDRange{{1, 1}, {3, 20}}, InboxID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	contents, _, _, err := a.Contents(t.Context(), 0, 100_000, 1<<30)
	if err != nil || len(contents) != many+4 {
		t.Fatalf("%d contents, %v", len(contents), err)
	}
	for _, c := range contents {
		if c.Damaged != (c.EmailID == 2) {
			t.Errorf("content %d is damaged: %v", c.EmailID, c.Damaged)
		}
	}
}
