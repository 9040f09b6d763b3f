package pgtest

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestKillKeepsWhatWasCommitted(t *testing.T) {
	s := Start(t)
	if Start(t) != s {
		t.Error("tests of one binary do not share a server")
	}
	name := s.NewDatabase(t)
	s.Exec(t, name, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
	for range 3 {
		s.Kill(t)
	}
	if rows := s.Exec(t, name, "SELECT n FROM kept"); len(rows) != 1 || rows[0][0] != "1" {
		t.Errorf("after the kill there is %v", rows)
	}
	if fsync := s.Exec(t, name, "SHOW fsync"); fsync[0][0] != "on" {
		t.Errorf("fsync is %v", fsync)
	}
	if other := s.NewDatabase(t); other == name {
		t.Error("two databases of one name")
	}
}
