package smtpclient

import (
	"encoding/base64"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/smtpwire"
)

// Credentials are who we are to a server that wants to know.
type Credentials struct {
	User, Password string
}

// authenticate logs in, if that is asked for (RFC 4954).
func (c *Client) authenticate() error {
	switch {
	case c.o.Auth == nil:
		return nil
	case c.conn.tls == nil && !c.o.PlaintextAuth:
		return newError(AtAuth, fault.Unauthenticated, "the password is not sent, since the connection is not encrypted")
	}
	// Who is refused by SCRAM may be known by a hash of the password alone: it is tried in
	// plain then, which any server gets that offers nothing else.
	reply, err := c.scram()
	switch scrammed := !reply.IsZero(); {
	case err != nil || scrammed && reply.Class() != 5:
	case c.offers("PLAIN"): // RFC 4616
		reply, err = c.exchange("AUTH PLAIN " + encode("\x00"+c.o.Auth.User+"\x00"+c.o.Auth.Password))
	case c.offers("LOGIN"):
		reply, err = c.exchange("AUTH LOGIN", encode(c.o.Auth.User), encode(c.o.Auth.Password))
	case !scrammed:
		return newError(AtAuth, fault.Unauthenticated, "the server offers no SCRAM, PLAIN or LOGIN, but %q", clean(c.extensions["AUTH"]))
	}
	switch {
	case err != nil:
		return err
	case reply.Class() == 4:
		return c.refused(AtAuth, reply)
	case reply.Class() != 2:
		return wrap(AtAuth, reply, fault.New(fault.Unauthenticated, "the server says: %v", reply))
	}
	return nil
}

// exchange says one line after the other, as long as the server asks for more.
func (c *Client) exchange(lines ...string) (reply smtpwire.Reply, err error) {
	for _, line := range lines {
		c.conn.command(line)
		reply, err = c.conn.reply(AtAuth, c.o.Timeouts.Command)
		if err != nil || reply.Code != 334 {
			break
		}
	}
	return reply, err
}

func (c *Client) offers(mechanism string) bool {
	for word := range strings.FieldsSeq(c.extensions["AUTH"]) {
		if strings.EqualFold(word, mechanism) {
			return true
		}
	}
	return false
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
