package search

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/store"
)

// A search asks for the index, which is made while nobody waits for it; later mail
// comes into it by itself; what is damaged is made anew; what is gone goes.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{subject: memSubject(), now: time.Now()}
		m.start()
		m.index.clock = time.Now
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			m.index.Run(ctx)
			close(done)
		}()
		q := Query{Header: "Subject", Needle: NewNeedle("letter 7")}
		look := func(messages int) (answers [3]int) {
			found, err := m.index.Candidates(ctx, account, q)
			must(t, err)
			for id := 1; id <= messages; id++ {
				answers[found.Test(store.EmailID(id))]++
			}
			return answers
		}
		expect := func(when string, messages int, want [3]int) {
			t.Helper()
			if got := look(messages); got != want {
				t.Errorf("%s: %d unknown, %d no, %d yes; want %v", when, got[Unknown], got[No], got[Yes], want)
			}
		}

		m.letters(t, 100)
		time.Sleep(time.Hour)
		expect("a search among a few wants no index", 50, [3]int{Unknown: 50})
		time.Sleep(time.Minute)
		expect("the first search among so many", 100, [3]int{Unknown: 100})
		time.Sleep(time.Minute)
		expect("after a search", 100, [3]int{No: 89, Yes: 11}) // 7, 70 to 79
		m.letters(t, 80)
		expect("behind", 180, [3]int{Unknown: 80, No: 89, Yes: 11})
		time.Sleep(2 * sweepEvery)
		expect("after a while", 180, [3]int{No: 158, Yes: 22})

		must(t, m.engine.Update(ctx, []kv.Shard{shardOf(account)}, func(tx kv.Tx) error {
			return tx.In(shardOf(account)).Put(keyHead, []byte("nonsense"))
		}))
		expect("damaged", 180, [3]int{Unknown: 180})
		time.Sleep(time.Minute)
		expect("made anew", 180, [3]int{No: 158, Yes: 22})

		must(t, m.store.Account(account).Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Remove(store.InboxID, []store.UIDRange{{First: 1, Last: 150}})
			return err
		}))
		m.now = m.now.Add(time.Hour)
		must(t, m.store.Maintain(ctx))
		before := m.size(t)
		for range 10 * 3 { // one segment of each account a day
			time.Sleep(24 * time.Hour)
		}
		if after := m.size(t); after > before/2 {
			t.Errorf("of 180 messages 150 are gone, and the index shrinks from %d to %d bytes", before, after)
		}
		cancel()
		<-done
	})
}

// letters delivers messages with numbers in their subjects, beginning with 0.
func (m *machine) letters(t *testing.T, n int) {
	must(t, m.store.Account(account).Update(context.Background(), func(tx *store.Tx) error {
		for i := range n {
			in := m.store.NewIncoming(context.Background())
			fmt.Fprintf(in, "Subject: letter %d\r\n\r\nIts number is %d.\r\n", i%100, i)
			msg, err := in.Finish()
			if err != nil {
				return err
			}
			if _, err := tx.Append(store.InboxID, msg, store.AppendOptions{}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// size is how many bytes the index has.
func (m *machine) size(t *testing.T) (n uint64) {
	h, err := m.index.head(context.Background(), account)
	must(t, err)
	for _, s := range h.segments {
		n += s.bytes
	}
	return n
}
