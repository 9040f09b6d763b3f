package smtpclient

import (
	"strconv"
	"strings"
)

// hello introduces us and learns what the server can do.
func (c *Client) hello() error {
	verb := "EHLO "
	if c.o.LMTP {
		verb = "LHLO "
	}
	c.extensions = nil
	c.conn.command(verb + c.o.Hostname)
	reply, err := c.conn.reply(AtHello, c.o.Timeouts.Command)
	switch {
	case err != nil:
		return err
	case reply.Class() == 2:
		c.learn(reply.Lines)
		return nil
	case reply.Class() != 5 || c.o.LMTP:
		return c.refused(AtHello, reply)
	}
	// RFC 5321 §3.2: a server that refuses EHLO may understand HELO.
	c.conn.command("HELO " + c.o.Hostname)
	again, err := c.conn.reply(AtHello, c.o.Timeouts.Command)
	switch {
	case err != nil:
		return c.refused(AtHello, reply) // it has said why
	case again.Class() != 2:
		return c.refused(AtHello, again)
	}
	return nil
}

// learn reads the lines of a reply to EHLO, of which the first is only a greeting.
func (c *Client) learn(lines []string) {
	c.extensions = map[string]string{}
	for _, line := range lines[1:] {
		keyword, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		keyword = strings.ToUpper(keyword)
		// A form that was never in a standard, and is still seen.
		if mechanisms, ok := strings.CutPrefix(keyword, "AUTH="); ok {
			keyword, args = "AUTH", mechanisms+" "+args
		}
		if keyword == "AUTH" {
			args = strings.TrimSpace(c.extensions[keyword] + " " + args)
		}
		c.extensions[keyword] = args
	}
}

// Supports says that the server offers an extension ("PIPELINING").
func (c *Client) Supports(extension string) bool {
	_, ok := c.extensions[extension]
	return ok
}

// MaxSize is the size of the largest message that the server takes; 0 if it does
// not say (RFC 1870 §3).
func (c *Client) MaxSize() int64 {
	size, err := strconv.ParseInt(c.extensions["SIZE"], 10, 64)
	if err != nil || size < 0 {
		return 0
	}
	return size
}

// Limit is a limit of the server's (RFC 9422): "RCPTMAX", "MAILMAX".
func (c *Client) Limit(name string) (n int, ok bool) {
	for word := range strings.FieldsSeq(c.extensions["LIMITS"]) {
		keyword, value, _ := strings.Cut(word, "=")
		if n, err := strconv.Atoi(value); err == nil && n > 0 && strings.EqualFold(keyword, name) {
			return n, true
		}
	}
	return 0, false
}
