package store

import (
	"fmt"
	"testing"
	"time"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// The feed of the tree is cut off when it is old. Who has not looked since then is told
// of every entry of metadata, others of what has changed.
func TestTreeFeedIsTrimmed(t *testing.T) {
	engine := memkv.New(memkv.Options{Rerun: true})
	now := time.Unix(1_700_000_000, 0)
	s := New(Options{Engine: engine, Blobs: memblob.New(memblob.Options{}), Clock: func() time.Time { return now }})
	a := s.Account(1)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	set := func(entry string, value []byte) {
		t.Helper()
		must(a.Update(t.Context(), func(tx *Tx) error {
			return tx.SetMetadata(InboxID, EveryoneShares, MetadataEntry{Name: entry, Value: value})
		}))
	}
	records := func() (n int) {
		must(a.view(t.Context(), func(r kv.Reader) error {
			feed, err := readFeed(r, treeFeed, 0)
			n = len(feed)
			return err
		}))
		return n
	}
	changes := func(after ModSeq, want ...string) (upTo ModSeq) {
		t.Helper()
		var names []string
		got, upTo, err := a.MetadataChanges(t.Context(), after)
		must(err)
		for _, ch := range got {
			names = append(names, ch.Entry)
		}
		if fmt.Sprint(names) != fmt.Sprint(want) {
			t.Errorf("after MODSEQ %d %v have changed, want %v", after, names, want)
		}
		return upTo
	}
	set("/shared/stays", []byte("a"))
	long := changes(0, "/shared/stays")
	set("/shared/goes", []byte("b"))
	set("/shared/goes", nil)
	for range 50 {
		must(a.Update(t.Context(), func(tx *Tx) error { return tx.Subscribe("x", true) }))
	}
	lately := changes(long, "/shared/goes", "/shared/goes")
	now = now.Add(29 * 24 * time.Hour)
	set("/shared/later", []byte("c"))
	before := records()
	must(s.Maintain(t.Context()))
	if n := records(); n != before {
		t.Errorf("after 29 days there are %d records in the feed, of %d", n, before)
	}
	now = now.Add(2 * 24 * time.Hour)
	for range 2 {
		must(s.Maintain(t.Context()))
		if n := records(); n != 1 {
			t.Errorf("after 31 days there are %d records in the feed, want 1", n)
		}
	}
	changes(long, "/shared/later", "/shared/stays")
	upTo := changes(lately, "/shared/later")
	set("/shared/stays", nil)
	changes(upTo, "/shared/stays")
	_, err := s.Verify(t.Context(), func(p Problem) { t.Error(p) })
	must(err)
}
