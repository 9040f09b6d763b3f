package imapd

import (
	"context"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// naive is a client's list of messages: it is told of ghosts only at the end.
type naive struct {
	uids []store.UID
	gone map[store.UID]bool
}

// TestViewGhosts compares a view with a list that keeps every message until the
// client may be told, through random expunges and arrivals.
func TestViewGhosts(t *testing.T) {
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(1, 2))
	w := newWorld(t)
	account := w.account("alice")
	for range 40 {
		w.deliver("alice", "INBOX", "a\r\n")
	}
	snap, err := account.Snapshot(ctx, store.InboxID)
	if err != nil {
		t.Fatal(err)
	}
	v := view{Snapshot: snap}
	n := naive{gone: map[store.UID]bool{}}
	for seq := 1; seq <= snap.Len(); seq++ {
		n.uids = append(n.uids, snap.At(seq).UID)
	}
	for round := range 200 {
		for range rng.IntN(3) {
			if live := v.Len(); live > 0 {
				uid := v.At(1 + rng.IntN(live)).UID
				n.gone[uid] = true
				err = account.Update(ctx, func(tx *store.Tx) error {
					_, err := tx.Remove(store.InboxID, []store.UIDRange{{First: uid, Last: uid}})
					return err
				})
			}
		}
		for range rng.IntN(3) {
			w.deliver("alice", "INBOX", "a\r\n")
		}
		after, snapErr := account.Snapshot(ctx, store.InboxID)
		if err != nil || snapErr != nil {
			t.Fatal(err, snapErr)
		}
		changes := store.Diff(v.Snapshot, after)
		v.haunt(changes.Expunged)
		v.Snapshot = after
		for seq := after.Len() - changes.Appended + 1; seq <= after.Len(); seq++ {
			n.uids = append(n.uids, after.At(seq).UID)
		}
		n.compare(t, &v)
		if round%20 == 19 { // the client may be told
			v.ghosts = nil
			n.uids = slices.DeleteFunc(n.uids, func(u store.UID) bool { return n.gone[u] })
			n.compare(t, &v)
		}
	}
}

func (n *naive) compare(t *testing.T, v *view) {
	t.Helper()
	if v.exists() != len(n.uids) {
		t.Fatalf("the view has %d messages, the client %d", v.exists(), len(n.uids))
	}
	for i, uid := range n.uids {
		number := i + 1
		seq, live := v.Seq(uid)
		if live == n.gone[uid] {
			t.Fatalf("message %d: live is %v", uid, live)
		}
		if live && v.number(seq) != number {
			t.Fatalf("message %d has number %d, want %d", uid, v.number(seq), number)
		}
		set := imapwire.NumSet{Ranges: []imapwire.NumRange{{First: uint32(number), Last: uint32(min(number+5, len(n.uids)))}}}
		sel, err := v.selection(set, false)
		if err != nil {
			t.Fatal(err)
		}
		n.compareSelection(t, v, i, &sel)
	}
}

// compareSelection checks the messages from index i and at most five after it.
func (n *naive) compareSelection(t *testing.T, v *view, i int, sel *selection) {
	t.Helper()
	var want []store.UID
	gone := false
	for _, uid := range n.uids[i:min(i+6, len(n.uids))] {
		if n.gone[uid] {
			gone = true
		} else {
			want = append(want, uid)
		}
	}
	var got []store.UID
	v.EachUID(sel.uids, func(_ int, e store.Entry) bool {
		got = append(got, e.UID)
		return true
	})
	if !slices.Equal(got, want) || sel.gone != gone || v.count(sel.uids) != len(want) {
		t.Fatalf("numbers from %d are %v (gone %v, count %d), want %v (%v)", i+1, got, sel.gone, v.count(sel.uids), want, gone)
	}
}

// TestPattern compares the matching of LIST with regular expressions.
func TestPattern(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	pick := func(letters string, most int) string {
		var b strings.Builder
		for range rng.IntN(most) {
			b.WriteByte(letters[rng.IntN(len(letters))])
		}
		return b.String()
	}
	for range 5000 {
		text, name := pick("ab/%*", 8), pick("ab/", 8)
		expr := strings.NewReplacer("*", ".*", "%", "[^/]*").Replace(text)
		want := regexp.MustCompile("^" + expr + "$").MatchString(name)
		if got := newPattern(text).matches(name); got != want {
			t.Errorf("%q matches %q: %v, want %v", text, name, got, want)
		}
	}
}

func TestAfter(t *testing.T) {
	uids := []store.UIDRange{{First: 2, Last: 5}, {First: 8, Last: 8}, {First: 10, Last: 20}}
	for _, test := range []struct {
		last store.UID
		want []store.UIDRange
	}{
		{1, uids},
		{2, []store.UIDRange{{First: 3, Last: 5}, {First: 8, Last: 8}, {First: 10, Last: 20}}},
		{5, uids[1:]},
		{7, uids[1:]},
		{19, []store.UIDRange{{First: 20, Last: 20}}},
		{20, nil},
	} {
		if got := after(uids, test.last); !slices.Equal(got, test.want) {
			t.Errorf("after %d comes %v, want %v", test.last, got, test.want)
		}
	}
	if uids[0].First != 2 {
		t.Error("the ranges were changed")
	}
}
