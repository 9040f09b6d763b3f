package server

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/audit"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/config"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/store"
)

// TestRemoveAccounts: a month after an account was deleted nothing is left of its mail,
// its index, and of what it shared; others keep theirs.
func TestRemoveAccounts(t *testing.T) {
	ctx, engine, now := t.Context(), memkv.New(memkv.Options{}), time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	d := newData(testConfig(t, config.IMAP), engine, memblob.New(memblob.Options{}), slog.New(slog.DiscardHandler))
	defer d.Close()
	d.Directory.Close()
	d.Directory = directory.New(engine, directory.Options{
		Hash: directory.HashParams{Memory: 8, Passes: 1, Threads: 1}, Clock: func() time.Time { return now },
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := d.Directory.AddDomain(ctx, "example.test")
	must(err)
	var addresses []addr.Address
	for i, name := range []string{"alice", "bob"} {
		addresses = append(addresses, addr.Address{Local: name, Domain: "example.test"})
		_, err := d.Directory.AddAccount(ctx, addresses[i], "secret")
		must(err)
		id := store.AccountID(i + 1)
		_, err = d.Store.Account(id).Mailboxes(ctx)
		must(err)
		must(d.Index.Rebuild(ctx, id))
	}
	for i, other := range []store.AccountID{2, 1} {
		must(d.Store.ChangeACL(ctx, store.AccountID(i+1), addresses[i].String(), "INBOX", func(store.ACL) store.ACL {
			return store.ACL{{Identifier: addresses[other-1].String(), Account: other, Rights: store.RightLookup}}
		}))
	}

	_, err = d.Directory.DeleteAccount(ctx, addresses[0])
	must(err)
	must(d.removeAccounts(ctx))
	if have := shardsOf(t, engine); !slices.Contains(have, "a/1") || !slices.Contains(have, "s/1") {
		t.Errorf("right after it was deleted there are only %v", have)
	}
	now = now.Add(directory.KeepDeleted)
	must(d.removeAccounts(ctx))
	have := shardsOf(t, engine)
	if slices.Contains(have, "a/1") || slices.Contains(have, "s/1") || slices.Contains(have, "shares") || !slices.Contains(have, "a/2") || !slices.Contains(have, "s/2") {
		t.Errorf("a month later there are %v", have)
	}
	entries, _, err := d.Audit.Search(ctx, audit.Query{Who: addresses[0].String()})
	if err != nil || len(entries) != 1 || entries[0].By != audit.Itself || entries[0].Operation != "account/remove" {
		t.Errorf("in the audit trail: %+v, %v", entries, err)
	}
	_, err = d.Directory.UndeleteAccount(ctx, addresses[0], addr.Address{})
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("it comes back: %v", err)
	}
	_, err = d.Store.Verify(ctx, func(p store.Problem) { t.Error(p) })
	must(err)
	must(d.Directory.Verify(ctx, func(problem string) { t.Error(problem) }))
}

func shardsOf(t *testing.T, engine kv.Engine) (all []kv.Shard) {
	t.Helper()
	if err := engine.Shards(t.Context(), "", func(s kv.Shard) bool { all = append(all, s); return true }); err != nil {
		t.Fatal(err)
	}
	return all
}
