package cli

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestSessions(t *testing.T) { playTwice(t, "sessions.txt") }

// TestSessionsOfPeople: who is logged in is listed, and leaves when he is told to.
func TestSessionsOfPeople(t *testing.T) {
	s := newScript(t)
	t.Setenv("POSTHORN_CONFIG", newServer(t, s))
	server := runInBackground(t, "serve")
	server.log.waitFor(t, `"msg":"ready"`, 1)
	s.play("< secret\n$ posthorn account add alice@example.test --password-file -\n")
	found := regexp.MustCompile(`"protocol":"pop3s","address":"([^"]+)"`).FindStringSubmatch(server.log.String())
	if found == nil {
		t.Fatalf("no POP3:\n%s", &server.log)
	}
	conn, err := tls.Dial("tcp", found[1], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	expect := func(prefix string) {
		t.Helper()
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, prefix) {
			t.Fatalf("%q, %v; want %s", line, err, prefix)
		}
	}
	expect("+OK")
	fmt.Fprint(conn, "USER alice@example.test\r\nPASS secret\r\n")
	expect("+OK")
	expect("+OK")
	listed := s.play("$ posthorn session list alice@example.test\n")
	row := regexp.MustCompile(`(?m)^([a-z2-9]{8})   alice@example\.test   pop3s      127\.0\.0\.1   DATE \d\d:\d\d UTC   TLS 1\.3   PLAIN   -$`).FindStringSubmatch(listed)
	if row == nil {
		t.Fatalf("it is not in the list:\n%s", listed)
	}
	if got := s.play("$ posthorn session end --id " + row[1] + "\n"); !strings.Contains(got, "Session "+row[1]+" ends.") {
		t.Errorf("not ended: %s", got)
	}
	expect("-ERR You were signed out")
	server.log.waitFor(t, `"msg":"sessions end"`, 1)
}
