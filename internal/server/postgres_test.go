package server

import (
	"log/slog"
	"os"
	"testing"

	"posthorn/internal/addr"
	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/fault"
	"posthorn/internal/kv/pgkv/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// TestTwoNodesOnPostgres runs two servers on one database: what one is told, the
// other knows.
func TestTwoNodesOnPostgres(t *testing.T) {
	dsn := pgtest.Start(t).NewSchema(t)
	var clients []*admin.Client
	for range 2 {
		c := testConfig(t, config.SMTP)
		c.Store = config.Store{Engine: config.Postgres, DSN: dsn}
		start(t, c)
		client, err := admin.Dial(t.Context(), c.ControlSocket())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		clients = append(clients, client)
	}
	name := admin.Name{Name: "example.test"}
	if _, err := admin.AddDomain.Call(t.Context(), clients[0], name); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.AddDomain.Call(t.Context(), clients[1], name); !fault.Is(err, fault.Exists) {
		t.Errorf("the other node does not know: %v", err)
	}
}

func TestStartWithoutDatabase(t *testing.T) {
	c := testConfig(t, config.SMTP)
	c.Store = config.Store{Engine: config.Postgres, DSN: "postgres://["}
	_, err := Start(t.Context(), c, slog.New(slog.DiscardHandler))
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("Start = %v", err)
	}
	c.Store = config.Store{Engine: config.Pebble}
	start(t, c) // nothing is left open
}

// TestSignOutOnAnotherNode: who is signed out on one node is so on all.
func TestSignOutOnAnotherNode(t *testing.T) {
	dsn := pgtest.Start(t).NewSchema(t)
	var nodes []*Server
	for range 2 {
		c := testConfig(t, config.IMAP)
		c.Store = config.Store{Engine: config.Postgres, DSN: dsn}
		s, _ := start(t, c)
		nodes = append(nodes, s)
	}
	here, there := nodes[0].data.Directory, nodes[1]
	alice := addr.Address{Local: "alice", Domain: "example.test"}
	if _, err := here.AddDomain(t.Context(), "example.test"); err != nil {
		t.Fatal(err)
	}
	if _, err := here.AddAccount(t.Context(), alice, "secret"); err != nil {
		t.Fatal(err)
	}
	imap := connect(t, there.Address(config.IMAP))
	imap.expect("* OK")
	imap.say("a LOGIN alice@example.test secret", "a OK")
	if err := here.SignOut(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	imap.expect("* BYE You were signed out")
}
