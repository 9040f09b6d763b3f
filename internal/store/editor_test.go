package store

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestStarts: what an editor takes over of where chunks start is what counting gives.
func TestStarts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	m := &mailbox{Mailbox: Mailbox{Status: Status{UIDNext: 1}}}
	snap := m.snapshot(newEditor(nil, nil).finish())
	for step := range 2000 {
		ed := newEditor(snap.chunks, snap.starts)
		for range 1 + rng.IntN(3) {
			first := 1 + UID(rng.Uint32N(uint32(m.UIDNext)))
			uids := ranges{{first, first + UID(rng.Uint32N(600))}}
			switch rng.IntN(5) {
			case 0:
				ed.apply(&change{kind: messagesGone, uids: uids}, ModSeq(step))
			case 1:
				ed.apply(&change{kind: flagsAdded, flags: Seen, uids: uids}, ModSeq(step))
			default:
				var added []Entry
				for range rng.IntN(300) {
					added = append(added, Entry{UID: m.UIDNext})
					m.UIDNext += 1 + UID(rng.Uint32N(2))
				}
				ed.apply(&change{kind: messagesAdded, added: added}, ModSeq(step))
			}
		}
		snap = m.snapshot(ed.finish())
		want := []uint32{0}
		for _, c := range snap.chunks {
			if len(c.entries) == 0 {
				t.Fatal("a chunk is empty")
			}
			want = append(want, want[len(want)-1]+uint32(len(c.entries)))
		}
		if !slices.Equal(snap.starts, want) {
			t.Fatalf("step %d: chunks start at %v, want %v", step, snap.starts, want)
		}
	}
}
