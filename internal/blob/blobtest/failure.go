package blobtest

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"posthorn/internal/blob"
	"posthorn/internal/fault"
)

// testCrash: a power cut loses what was not committed, and nothing else.
func testCrash(t *testing.T, s *Subject) {
	var ids []blob.ID
	for round := range 3 {
		for range 4 {
			ids = append(ids, mustWrite(t, s.Store, crashBody(len(ids))))
		}
		begun, err := s.Store.Create(background)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := begun.Write(Body(uint64(1000+round), 200_000)); err != nil {
			t.Fatal(err)
		}
		s.Crash(t)
		if _, err := begun.Commit(); err == nil {
			t.Error("a writer from before the crash could commit")
		}
		if found := list(t, s.Store); len(found) != len(ids) {
			t.Errorf("round %d: %d blobs after the crash, want %d", round, len(found), len(ids))
		}
		for i, id := range ids {
			check(t, s.Store, id, crashBody(i))
		}
	}
}

func crashBody(i int) []byte { return Body(uint64(i), i*40_000) }

// testCrashWhileCommitting: the power fails while many commit; whoever was told
// that it is durable finds it, and what is listed can be read.
func testCrashWhileCommitting(t *testing.T, s *Subject) {
	type told struct {
		id   blob.ID
		seed uint64
	}
	var (
		mu        sync.Mutex
		committed []told
		wg        sync.WaitGroup
		store     = s.Store
		halfway   = make(chan struct{})
	)
	for worker := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				seed := uint64(worker*1000 + i)
				id, err := write(store, Body(seed, 20_000), 7000)
				if err != nil {
					return // the power is gone
				}
				mu.Lock()
				if committed = append(committed, told{id, seed}); len(committed) == 40 {
					close(halfway)
				}
				mu.Unlock()
			}
		})
	}
	<-halfway
	mu.Lock()
	durable := len(committed)
	mu.Unlock()
	s.Crash(t)
	wg.Wait()
	for _, c := range committed[:durable] {
		check(t, s.Store, c.id, Body(c.seed, 20_000))
	}
	for id := range list(t, s.Store) {
		if _, err := readAll(s.Store, id); err != nil {
			t.Errorf("listed after the crash, but not readable: %v", err)
		}
	}
}

// testDamage: damage is noticed, and costs no more than its own neighbourhood.
func testDamage(t *testing.T, s *Subject) {
	if s.Damage == nil {
		t.Log("this store has no medium that could be damaged")
		return
	}
	for kind, data := range map[string][]byte{"mail": Body(5, damagedSize), "noise": Noise(5, damagedSize)} {
		t.Run(kind, func(t *testing.T) { testOneDamage(t, s, data) })
	}
}

const damagedSize = 2 << 20

func testOneDamage(t *testing.T, s *Subject, data []byte) {
	const at, reach = damagedSize / 2, 256 << 10 // a bad bit may cost so much on either side
	id, healthy := mustWrite(t, s.Store, data), mustWrite(t, s.Store, data[:at])
	s.Damage(t, id, at)
	r, err := s.Store.Open(background, id)
	if err != nil {
		t.Fatalf("Open with one damaged part: %v", err)
	}
	defer r.Close()
	p := make([]byte, len(data))
	_, err = r.ReadAt(p[:1], at)
	wantKind(t, "ReadAt the damaged byte", err, fault.Corrupt)
	n, err := r.ReadAt(p, 0)
	wantKind(t, "ReadAt over the damaged byte", err, fault.Corrupt)
	if n > at || !bytes.Equal(p[:n], data[:n]) {
		t.Errorf("ReadAt over the damaged byte gave %d bytes, beyond the damage or wrong", n)
	}
	for _, part := range [][2]int64{{0, at - reach}, {at + reach, damagedSize}} {
		n := part[1] - part[0]
		if _, err := r.ReadAt(p[:n], part[0]); (err != nil && err != io.EOF) || !bytes.Equal(p[:n], data[part[0]:part[1]]) {
			t.Errorf("bytes %d to %d, far from the damage: %v, or wrong bytes", part[0], part[1], err)
		}
	}
	check(t, s.Store, healthy, data[:at])
}

// testFull: a full disk is said to be full, harms nothing that is stored, and is
// forgotten when there is room again.
func testFull(t *testing.T, s *Subject) {
	before := mustWrite(t, s.Store, Body(1, 50_000))
	noise := Body(2, 4<<20)
	for _, free := range []int64{0, 10, 100_000, 1 << 20} {
		s.SetFree(free)
		_, err := write(s.Store, noise, 32<<10)
		wantKind(t, "write with a full disk", err, fault.StorageFull)
		check(t, s.Store, before, Body(1, 50_000))
		s.SetFree(-1)
		if found := list(t, s.Store); len(found) != 1 {
			t.Errorf("listed %d blobs after a failed write, want 1", len(found))
		}
	}
	check(t, s.Store, mustWrite(t, s.Store, noise), noise)
}
