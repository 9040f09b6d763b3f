package imapd

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"posthorn/internal/search"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

// behindIndex is an index that catches up before some of its answers.
type behindIndex struct {
	*search.Index
	rng *rand.Rand
}

func (x behindIndex) Candidates(ctx context.Context, account store.AccountID, q search.Query) (*search.Candidates, error) {
	if x.rng.IntN(10) == 0 {
		if err := x.CatchUp(ctx, account); err != nil {
			return nil, err
		}
	}
	return x.Index.Candidates(ctx, account, q)
}

// asking is a client that only searches.
type asking struct {
	t     *testing.T
	conn  net.Conn
	lines *bufio.Reader
}

func newAsking(t *testing.T, conn net.Conn) *asking {
	c := &asking{t, conn, bufio.NewReader(conn)}
	c.line()
	c.do("LOGIN alice secret")
	c.do("SELECT INBOX")
	return c
}

func (c *asking) line() string {
	line, err := c.lines.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return line
}

// do gives the last line before the tagged OK.
func (c *asking) do(command string) (last string) {
	if _, err := c.conn.Write([]byte("x " + command + "\r\n")); err != nil {
		c.t.Fatal(err)
	}
	for {
		line := c.line()
		switch {
		case strings.HasPrefix(line, "x OK"):
			return last
		case strings.HasPrefix(line, "x "):
			c.t.Fatalf("%s: %s", command, line)
		case strings.HasPrefix(line, "* SEARCH"):
			last = line
		}
	}
}

// With an index and without one, the answers are the same, for any combination of
// keys, while messages come and go.
func TestSearchWithIndex(t *testing.T) {
	w := newWorld(t)
	rng := rand.New(rand.NewPCG(3, 4))
	index := behindIndex{search.New(search.Options{Engine: w.engine, Store: w.store, BatchMessages: 7, FanIn: 3}), rng}
	with := newAsking(t, w.listen(Options{Gate: w.users.gate(true), Index: index}, wire.Options{}).Dial())
	without := newAsking(t, w.imap.Dial())
	words := []string{"alpha", "Beta", "gammaray", "ΔΕΛΤΑ", "naïve", "北京", "大学", "topic 42", "a.b@example.test", "alphabet"}
	word := func() string { return words[rng.IntN(len(words))] }
	found := 0
	for range 60 {
		for range rng.IntN(5) {
			text := fmt.Sprintf("Subject: %s %s\r\nFrom: %s <x@example.test>\r\nX-Other: %s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s %s%s\r\n%s",
				word(), word(), word(), word(), word(), word(), word(), strings.Repeat(word()+" ", rng.IntN(2)*900))
			if err := w.deliver("alice", "INBOX", text); err != nil {
				t.Fatal(err)
			}
		}
		without.do(fmt.Sprintf(`UID STORE %d:%d +FLAGS (\Deleted)`, rng.IntN(100), rng.IntN(100)))
		if rng.IntN(4) == 0 {
			without.do("EXPUNGE")
		}
		with.do("NOOP")
		without.do("NOOP")
		for range 10 {
			key := searchKey(rng, 3, word)
			got, want := with.do("UID SEARCH CHARSET UTF-8 "+key), without.do("UID SEARCH CHARSET UTF-8 "+key)
			if got != want {
				t.Fatalf("%s: with the index\n%swithout\n%s", key, got, want)
			}
			found += strings.Count(got, " ") - 1
		}
	}
	if found == 0 {
		t.Error("nothing was ever found")
	}
}

// searchKey is a random search key, in which others lie up to a depth.
func searchKey(rng *rand.Rand, depth int, word func() string) string {
	if depth > 0 {
		switch rng.IntN(5) {
		case 0:
			return "OR " + searchKey(rng, depth-1, word) + " " + searchKey(rng, depth-1, word)
		case 1:
			return "(" + searchKey(rng, depth-1, word) + " " + searchKey(rng, depth-1, word) + ")"
		case 2:
			return "NOT " + searchKey(rng, depth-1, word)
		}
	}
	runes := []rune(word())
	from := rng.IntN(len(runes))
	text := string(runes[from : from+1+rng.IntN(len(runes)-from)])
	kind := []string{"SUBJECT", "FROM", "TO", "BODY", "TEXT", "HEADER X-Other", "HEADER Subject", "DELETED", "LARGER 300"}[rng.IntN(9)]
	if kind == "DELETED" || kind == "LARGER 300" {
		return kind
	}
	return fmt.Sprintf("%s {%d+}\r\n%s", kind, len(text), text)
}
