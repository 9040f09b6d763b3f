package wire_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

func TestTranscript(t *testing.T) {
	var b strings.Builder
	serve := func(_ context.Context, c *wire.Conn) {
		c.Transcript(&b)
		c.WriteString("+OK\r\n")
		c.ReadLine(100) // USER alice
		c.ReadLine(100) // PASS open sesame
		c.Secret(true)
		c.WriteString("+OK\r\n")
		c.Secret(false)
		c.ReadLine(100) // AUTH PLAIN
		c.WriteString("+ \r\n")
		c.Secret(true)
		c.ReadMore(100) // the password
		c.Secret(false)
		c.ReadLine(100) // bare password
		c.Secret(true)
		c.Secret(false)
		c.Fill()
		c.Discard(len(c.Buffered()))
		c.Transcript(nil)
		c.WriteString("unheard of\r\n")
	}
	bubble(t, wire.Options{Serve: serve}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.send("USER alice\r\nPASS open sesame\r\nAUTH PLAIN\r\nc2VzYW1l sesame\r\nsesame\r\n")
		synctest.Wait()
		p.send("data\x00\r\nmore\r\n")
		synctest.Wait()
	})
	want := `S: +OK
C: USER alice
C: PASS [13 bytes]
S: +OK
C: AUTH PLAIN
S: + 
C: [17 bytes]
C:  [8 bytes]
C: data\x00
C: more
`
	if got := b.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
