package smtpd

import (
	"context"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/kv"
)

// forwards adds what leads on to the house: friend (friend@far.test), the groups team
// (alice, pal@far.test; only they may write to it) and staff (alice, bob; everybody here may);
// second.test, which is example.test, and catch.test, where bob gets everything.
func (h *house) forwards() {
	ctx := context.Background()
	must := func(_ any, err error) { h.must(err) }
	far := func(name string) addr.Address { return addr.Address{Local: name, Domain: "far.test"} }
	must(h.dir.AddAlias(ctx, address("friend"), far("friend")))
	must(h.dir.AddGroup(ctx, address("team"), directory.Members, address("alice"), far("pal")))
	must(h.dir.AddGroup(ctx, address("staff"), directory.SameDomain, address("alice"), address("bob")))
	must(h.dir.AddDomainAlias(ctx, "second.test", "example.test"))
	must(h.dir.AddDomain(ctx, "catch.test"))
	must(h.dir.SetCatchAll(ctx, "catch.test", address("bob")))
}

// secret makes return addresses ones that can be written into a script.
func (h *house) secret(engine kv.Engine) {
	const shard, record = kv.Shard("dir"), `{"secrets":[{"key":"c2VjcmV0","created":"1999-12-31T00:00:00Z"}]}`
	h.must(engine.Update(context.Background(), []kv.Shard{shard}, func(tx kv.Tx) error {
		return tx.In(shard).Put([]byte("r"), append([]byte{1}, record...))
	}))
}
