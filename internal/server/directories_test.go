package server

import (
	"database/sql"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/config"
	"posthorn/internal/credential"
	"posthorn/internal/fault"
)

// Somebody in another directory gets mail before he has ever come, and comes in; when the
// directory is down, that is a failure for now.
func TestOtherDirectory(t *testing.T) {
	c := testConfig(t, config.SMTP, config.Submission, config.IMAP, config.POP3)
	c.Limits.GreetDelay = 0
	file := filepath.Join(t.TempDir(), "people.db")
	c.Directories = []config.Directory{{
		Name: "people", Type: config.InSQLite, File: file, Query: "SELECT hash FROM people WHERE address = ?", Parameters: []string{"address"},
		Remember: time.Minute, Timeout: 5 * time.Second, Connections: 2,
	}}
	s, _ := start(t, c)
	if _, err := s.data.Directory.AddDomain(t.Context(), "example.test"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.data.Directory.AddAccount(t.Context(), addr.Address{Local: "alice", Domain: "example.test"}, "secret"); err != nil {
		t.Fatal(err)
	}

	smtp := greeted(t, s, config.SMTP, "220") // there is no file yet
	smtp.say("HELO client.test", "250")
	smtp.say("MAIL FROM:<joe@remote.test>", "250")
	smtp.say("RCPT TO:<bob@example.test>", "451 4.")
	smtp.say("RCPT TO:<alice@example.test>", "250")
	submission := greeted(t, s, config.Submission, "220")
	submission.say("EHLO client.test", "250-")
	for line := ""; !strings.HasPrefix(line, "250 "); {
		var err error
		if line, err = submission.r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	submission.say("AUTH PLAIN "+plain("bob@example.test", "builder"), "454 4.7.0")
	imap := greeted(t, s, config.IMAP, "* OK")
	imap.say("a LOGIN bob@example.test builder", "a NO [UNAVAILABLE]")
	imap.say("b LOGIN alice@example.test secret", "b OK")
	pop := greeted(t, s, config.POP3, "+OK")
	pop.say("USER bob@example.test", "+OK")
	pop.say("PASS builder", "-ERR [SYS/TEMP]")

	fillPeople(t, file)
	smtp.say("RCPT TO:<bob+lists@example.test>", "250")
	smtp.say("RCPT TO:<carol@example.test>", "550 5.1.1")
	smtp.say("DATA", "354")
	smtp.say("Subject: hello\r\n\r\ntext\r\n.", "250")
	submission.say("AUTH PLAIN "+plain("bob@example.test", "wrong"), "535 5.7.8")
	submission.say("AUTH PLAIN "+plain("Bob@Example.test", "builder"), "235")
	imap = greeted(t, s, config.IMAP, "* OK")
	imap.say("a LOGIN carol@example.test builder", "a NO [AUTHENTICATIONFAILED]")
	imap.say("b LOGIN bob@example.test builder", "b OK")
	imap.say("c STATUS INBOX (MESSAGES)", "* STATUS INBOX (MESSAGES 1)")
	pop = greeted(t, s, config.POP3, "+OK")
	pop.say("USER bob@example.test", "+OK")
	pop.say("PASS builder", "+OK")
	pop.say("STAT", "+OK 1 ")

	c2 := *c
	c2.Directories = nil
	if err := s.Reload(t.Context(), &c2); err != nil {
		t.Fatal(err)
	}
	pop = greeted(t, s, config.POP3, "+OK")
	pop.say("USER bob@example.test", "+OK")
	pop.say("PASS builder", "-ERR [AUTH]")
}

// Who is gone from another directory is signed out; while that is down, nobody is.
func TestGoneElsewhere(t *testing.T) {
	c := testConfig(t, config.IMAP)
	file := filepath.Join(t.TempDir(), "people.db")
	fillPeople(t, file)
	people := config.Directory{
		Name: "people", Type: config.InSQLite, File: file, Query: "SELECT hash FROM people WHERE address = ?", Parameters: []string{"address"},
		Remember: time.Nanosecond, Timeout: 5 * time.Second, Connections: 2,
	}
	c.Directories = []config.Directory{people}
	s, _ := start(t, c)
	if _, err := s.data.Directory.AddDomain(t.Context(), "example.test"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.data.Directory.AddAccount(t.Context(), addr.Address{Local: "alice", Domain: "example.test"}, "secret"); err != nil {
		t.Fatal(err)
	}
	bob, alice := greeted(t, s, config.IMAP, "* OK"), greeted(t, s, config.IMAP, "* OK")
	bob.say("a LOGIN bob@example.test builder", "a OK")
	alice.say("a LOGIN alice@example.test secret", "a OK")
	lives := func(c *client) {
		t.Helper()
		s.endGone(t.Context())
		c.say("b NOOP", "b OK")
	}
	lives(bob)
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	down := *c
	down.Directories = []config.Directory{people} // opened anew, where nothing is
	down.Directories[0].Name = "others"
	if err := s.Reload(t.Context(), &down); err != nil {
		t.Fatal(err)
	}
	if _, err := s.data.Directory.Find(t.Context(), addr.Address{Local: "bob", Domain: "example.test"}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("it is not down: %v", err)
	}
	lives(bob)
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	lives(bob)
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("DELETE FROM people"); err != nil {
		t.Fatal(err)
	}
	s.endGone(t.Context())
	bob.expect("* BYE You were signed out")
	lives(alice)
}

// fillPeople makes a database with bob.
func fillPeople(t *testing.T, file string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE people (address TEXT, hash TEXT)"); err != nil {
		t.Fatal(err)
	}
	hash := credential.Cost{Memory: 64, Passes: 1, Threads: 1}.Hash([]byte("builder"))
	if _, err := db.Exec("INSERT INTO people VALUES ('bob@example.test', ?)", hash); err != nil {
		t.Fatal(err)
	}
}

// A directory that cannot be used keeps the server from starting; one that is down does not.
func TestDirectoryThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := config.Directory{
		Name: "corp", Type: config.LDAP, Servers: []string{"ldap://127.0.0.1:1"}, Base: "dc=test", Filter: "(mail=%u)",
	}
	for what, spoil := range map[string]func(d *config.Directory){
		"":              func(*config.Directory) {},
		"password_file": func(d *config.Directory) { d.PasswordFile = filepath.Join(dir, "none") },
		"first line":    func(d *config.Directory) { d.PasswordFile = empty },
		"ca":            func(d *config.Directory) { d.CA = empty },
		"filter":        func(d *config.Directory) { d.Filter = "(&(mail=%u)" },
		"base":          func(d *config.Directory) { d.Base = "everything" },
	} {
		d := good
		spoil(&d)
		others, err := openDirectories(&config.Config{Directories: []config.Directory{d}})
		if (err == nil) != (what == "") || err != nil && !(strings.Contains(err.Error(), what) && strings.Contains(err.Error(), "corp")) {
			t.Errorf("%s: %v", what, err)
		}
		closeDirectories(others)
	}
}

func plain(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

func greeted(t *testing.T, s *Server, p config.Protocol, greeting string) *client {
	t.Helper()
	c := connect(t, s.Address(p))
	c.expect(greeting)
	return c
}
