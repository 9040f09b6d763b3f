package sqlsource

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"posthorn/internal/fault"
	"posthorn/internal/kv/pgkv/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestPostgreSQL(t *testing.T) {
	server := pgtest.Start(t)
	name := server.NewDatabase(t)
	for _, statement := range append([]string{table}, rows...) {
		server.Exec(t, name, statement)
	}
	o := Options{Engine: Postgres, DSN: server.DSN(name)}
	suite(t, o, func(n int) string { return "$" + strconv.Itoa(n) })

	o.Query, o.Parameters = "SELECT hash FROM people WHERE local || '@' || domain = $1", []string{"address"}
	s := open1(t, o)
	if got := ask(t, s, "bob"); got != "{X}hash" {
		t.Errorf("bob is %q", got)
	}
	server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
	if got := ask(t, s, "bob"); got != "{X}hash" {
		t.Errorf("after the server has ended the connection: %q", got)
	}
}

func TestMariaDB(t *testing.T) {
	socket := startMariaDB(t)
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr = "root", "unix", socket
	admin, err := sql.Open("mysql", c.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for _, statement := range append([]string{
		"CREATE DATABASE people", "USE people", table,
		"CREATE USER reader@localhost IDENTIFIED BY 'p w'", "GRANT SELECT ON people.* TO reader@localhost",
	}, rows...) {
		admin.SetMaxOpenConns(1) // which is where USE holds
		if _, err := admin.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	o := Options{Engine: MySQL, DSN: "reader@unix(" + socket + ")/people?interpolateParams=true&multiStatements=true", Password: "p w"}
	suite(t, o, question)
	o.Password = "wrong"
	o.Query, o.Parameters = "SELECT ?", []string{"address"}
	if got := ask(t, open1(t, o), "bob"); got != "unavailable" {
		t.Errorf("with a wrong password: %q", got)
	}
}

// A server that says nothing is one that is down.
func TestServersThatHang(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // connections wait to be accepted until then
	for engine, dsn := range map[Engine]string{
		MySQL: "u@tcp(" + l.Addr().String() + ")/people", Postgres: "postgres://u@" + l.Addr().String() + "/people?sslmode=disable",
	} {
		s := open1(t, Options{Engine: engine, DSN: dsn, Query: "SELECT 1"})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if _, err := s.Lookup(ctx, bob); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", engine, err)
		}
		cancel()
	}
}

// startMariaDB runs a server of the test's own until its end, and gives its socket.
func startMariaDB(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "mariadbtest") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	uid, gid := os.Getuid(), os.Getgid()
	as := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ = strconv.Atoi(nobody.Uid)
		gid, _ = strconv.Atoi(nobody.Gid)
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	data, socket := filepath.Join(dir, "data"), filepath.Join(dir, "s")
	run := func(name string, args ...string) (*exec.Cmd, *bytes.Buffer) {
		c := exec.Command(name, args...)
		out := &bytes.Buffer{}
		c.Stdout, c.Stderr, c.SysProcAttr, c.Dir = out, out, as, dir
		return c, out
	}
	// What mariadb-install-db does, which wants programs of clients.
	install, out := run("/usr/sbin/mariadbd", "--no-defaults", "--datadir="+data, "--bootstrap", "--silent-startup")
	script := "SET @auth_root_socket=NULL;\nCREATE DATABASE mysql;\nUSE mysql;\n" // a statement a line
	for _, name := range []string{"mysql_system_tables", "mysql_system_tables_data"} {
		text, err := os.ReadFile("/usr/share/mysql/" + name + ".sql")
		if err != nil {
			t.Fatalf("%v: run `make deps`", err)
		}
		script += string(text)
	}
	install.Stdin = strings.NewReader(script)
	if err := errors.Join(os.Mkdir(data, 0o700), os.Chown(data, uid, gid), install.Run()); err != nil {
		t.Fatalf("mariadbd --bootstrap: %v\n%s", err, out)
	}
	server, out := run("/usr/sbin/mariadbd", "--no-defaults", "--datadir="+data, "--socket="+socket, "--skip-networking", "--pid-file="+filepath.Join(dir, "pid"))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { server.Wait(); close(ended) }()
	t.Cleanup(func() { server.Process.Kill(); <-ended })
	for range 600 {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return socket
		}
		select {
		case <-ended:
			t.Fatalf("mariadbd has ended:\n%s", out)
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal(fmt.Errorf("mariadbd does not listen:\n%s", out))
	return ""
}
