package store

import (
	"io"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// TestRepair breaks what can be derived: afterwards Verify finds nothing, and a second
// repair nothing to do.
func TestRepair(t *testing.T) {
	engine := memkv.New(memkv.Options{Rerun: true})
	s := New(Options{Engine: engine, Blobs: memblob.New(memblob.Options{})})
	a := s.Account(1)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	in := s.NewIncoming(t.Context())
	io.WriteString(in, "Subject: x\r\n\r\ntext\r\n")
	m, err := in.Finish()
	must(err)
	var box Mailbox
	must(a.Update(t.Context(), func(tx *Tx) error {
		for range 3 {
			if _, err := tx.Append(InboxID, m, AppendOptions{}); err != nil {
				return err
			}
		}
		if err := tx.SetMetadata(InboxID, EveryoneShares, MetadataEntry{Name: "/shared/x", Value: []byte("y")}); err != nil {
			return err
		}
		box, err = tx.CreateMailbox("Lost", "")
		return err
	}))
	problems := func() (all []string) {
		t.Helper()
		_, err := s.Verify(t.Context(), func(p Problem) { all = append(all, p.String()) })
		must(err)
		return all
	}
	repair := func() (mended []string) {
		t.Helper()
		must(s.Repair(t.Context(), func(p Problem) { mended = append(mended, p.String()) }))
		return mended
	}
	if mended := append(repair(), problems()...); len(mended) > 0 {
		t.Fatal("nothing was wrong, but: ", mended)
	}
	must(engine.Update(t.Context(), []kv.Shard{a.shard}, func(tx kv.Tx) error {
		w := tx.In(a.shard)
		inbox, err := readMailbox(w, InboxID)
		must(err)
		inbox.Messages, inbox.Unseen, inbox.Size, inbox.UIDNext = 7, 9, 1, 2
		h, err := readHead(w)
		must(err)
		h.used, h.modSeq, h.lastMailbox = Resources{Bytes: 5}, 1, 1
		for _, err := range []error{
			w.Put(keyMailbox(InboxID), inbox.encode()),
			w.Put(keyHead, h.encode()),
			w.Delete(keyName(box.Name)),
			w.Put(keyName("Nowhere"), []byte{99}),
			w.Put(keyName("Elsewhere"), []byte{byte(InboxID)}),
			w.Put(keyMetadata(99, EveryoneShares, "/shared/y"), []byte("z")),
			w.Put(keyACL(99), ACL{}.encode()),
		} {
			must(err)
		}
		return nil
	}))
	broken, mended := problems(), repair()
	if len(broken) < 8 || len(mended) < 8 {
		t.Errorf("%d things were wrong, %d mended:\n%s", len(broken), len(mended), strings.Join(slices.Concat(broken, mended), "\n"))
	}
	if left := append(problems(), repair()...); len(left) > 0 {
		t.Errorf("after the repair:\n%s", strings.Join(left, "\n"))
	}
	if got, err := a.Mailbox(t.Context(), Inbox); err != nil || got.Messages != 3 || got.Unseen != 3 || got.UIDNext != 4 {
		t.Errorf("INBOX is %+v, %v", got, err)
	}

	// What a newer program has written is nobody's to throw away.
	must(engine.Update(t.Context(), []kv.Shard{a.shard}, func(tx kv.Tx) error {
		return tx.In(a.shard).Put(keyMailbox(box.ID), []byte{mailboxVersion + 1, 1})
	}))
	if mended := repair(); len(mended) > 0 || len(problems()) == 0 {
		t.Errorf("a mailbox of a newer form was mended: %v", mended)
	}
}
