package server

import (
	"net/netip"
	"testing"

	"posthorn/internal/audit"
	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/login"
)

// Every attempt at the door is in the audit trail: who, from where, with what, and why not.
func TestLoginsAreAudited(t *testing.T) {
	trail := audit.New(audit.Options{Engine: memkv.New(memkv.Options{}), Days: 1})
	defer trail.Close(t.Context())
	peer := login.Peer{Protocol: "imap", Remote: netip.MustParseAddr("192.0.2.1"), Client: "mutt/2.2"}
	logins{trail}.Record(t.Context(), &login.Attempt{
		Peer: peer, Mechanism: "SCRAM-SHA-256", User: "alice", Identity: login.Identity{Account: 1, Name: "alice@example.test"},
	})
	logins{trail}.Record(t.Context(), &login.Attempt{
		Peer: peer, User: "nobody@example.test", Err: fault.New(fault.Unauthenticated, "wrong user or password"),
	})
	found, _, err := trail.Search(t.Context(), audit.Query{IP: "192.0.2.1", What: []string{"login", "failure"}})
	if err != nil || len(found) != 2 {
		t.Fatalf("found %+v, %v", found, err)
	}
	in, out := found[0], found[1]
	if in.User != "alice@example.test" || in.Mechanism != "SCRAM-SHA-256" || in.Client != "mutt/2.2" || in.Protocol != "imap" || in.Error != "" {
		t.Errorf("who came in: %+v", in)
	}
	if out.User != "nobody@example.test" || out.Error != "wrong user or password" || out.Event != "authentication failed" {
		t.Errorf("who did not: %+v", out)
	}
}
