package sqlsource

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
)

const table = `CREATE TABLE people (local VARCHAR(100), domain VARCHAR(100), hash VARCHAR(200), active INT)`

// rows are the people that every database here has.
var rows = []string{
	`INSERT INTO people VALUES ('bob', 'example.test', '{X}hash', 1)`,
	`INSERT INTO people VALUES ('carol', 'example.test', NULL, 1)`,
	`INSERT INTO people VALUES ('dave', 'example.test', '', 1)`,
	`INSERT INTO people VALUES ('erin', 'example.test', '{X}out', 0)`,
	`INSERT INTO people VALUES ('twin', 'example.test', '{X}one', 1)`,
	`INSERT INTO people VALUES ('twin', 'example.test', '{X}two', 1)`,
	`INSERT INTO people VALUES ('o''neil', 'example.test', '{X}irish', 1)`,
}

// suite is what holds for every engine. o has all but the query.
func suite(t *testing.T, o Options, placeholder func(n int) string) {
	o.Query = `SELECT hash, active FROM people WHERE local = ` + placeholder(1) + ` AND domain = ` + placeholder(2) + ` AND active = 1`
	o.Parameters, o.Connections = []string{"local", "domain"}, 2
	s := open1(t, o)
	for local, want := range map[string]string{
		"bob": "{X}hash", "carol": "", "dave": "", "erin": "not found", "nobody": "not found", "twin": "unavailable", "o'neil": "{X}irish",
		"' OR 1=1 -- ": "not found", "bob' -- ": "not found", "%": "not found", "b_b": "not found", `bob\`: "not found",
		"x'; DROP TABLE people; --": "not found", `"; DELETE FROM people; --`: "not found", "$1": "not found", "?": "not found", "bob\x01": "not found",
	} {
		if got := ask(t, s, local); got != want {
			t.Errorf("%q: %q, want %q", local, got, want)
		}
	}
	if got := ask(t, s, "bob"); got != "{X}hash" {
		t.Errorf("after all that bob is %q", got)
	}
	o.Query = `SELECT nothing FROM nowhere WHERE local = ` + placeholder(1) + ` AND domain = ` + placeholder(2)
	if got := ask(t, open1(t, o), "bob"); got != "unavailable" {
		t.Errorf("a query that is wrong: %q", got)
	}
	if o.Engine != MySQL { // whose rights are the operator's to give
		o.Query = `DELETE FROM people WHERE local = ` + placeholder(1) + ` AND domain = ` + placeholder(2) + ` RETURNING hash`
		if got := ask(t, open1(t, o), "bob"); got != "unavailable" {
			t.Errorf("a query that deletes: %q", got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Lookup(ctx, bob); !fault.Is(err, fault.Unavailable) {
		t.Errorf("out of time: %v", err)
	}
}

var bob = addr.Address{Local: "bob", Domain: "example.test"}

func open1(t *testing.T, o Options) *Source {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func ask(t *testing.T, s directory.Source, local string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	found, err := s.Lookup(ctx, addr.Address{Local: local, Domain: "example.test"})
	if err != nil {
		return fault.KindOf(err).String()
	}
	return found.Hash
}

func question(int) string { return "?" }

func TestSQLite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "people?mode=rwc#%41.db")
	o := Options{Engine: SQLite, DSN: file}
	o.Query, o.Parameters = "SELECT 1 WHERE ? = ''", []string{"address"}
	if got := ask(t, open1(t, o), "bob"); got != "unavailable" {
		t.Errorf("without the file: %q", got)
	}
	fillSQLite(t, file)
	suite(t, o, question)
}

func fillSQLite(t *testing.T, file string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.NewReplacer("?", "%3f", "#", "%23", "%", "%25").Replace(file))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range append([]string{table}, rows...) {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOptions(t *testing.T) {
	for what, o := range map[string]Options{
		"engine":    {Engine: "oracle"},
		"parameter": {Engine: SQLite, Parameters: []string{"password"}},
		"mysql":     {Engine: MySQL, DSN: "no such thing"},
		"postgres":  {Engine: Postgres, DSN: "postgres://u:hunter2@h:notaport/x"},
	} {
		_, err := Open(o)
		if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
