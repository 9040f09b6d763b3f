package smtpclient

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"

	"posthorn/internal/fault"
	"posthorn/internal/sasl"
	"posthorn/internal/smtpwire"
)

// scrams are the mechanisms in which the server is not told the password, the better first.
// They are not bound to the connection.
var scrams = []struct {
	name string
	hash func() hash.Hash
}{{"SCRAM-SHA-256", sha256.New}, {"SCRAM-SHA-1", sha1.New}}

// scram logs in by SCRAM, if the server offers it; else there is no reply. Whoever
// lets us in without the proof that he knows the password is not believed (RFC 5802 §5.1).
func (c *Client) scram() (reply smtpwire.Reply, err error) {
	for _, m := range scrams {
		if !c.offers(m.name) {
			continue
		}
		x := &sasl.ScramClient{Hash: m.hash, User: c.o.Auth.User, Password: c.o.Auth.Password}
		line := "AUTH " + m.name + " " + encode(string(x.Start()))
		for {
			c.conn.command(line)
			reply, err = c.conn.reply(AtAuth, c.o.Timeouts.Command)
			switch {
			case err == nil && reply.Class() == 2 && !x.Done():
				return reply, newError(AtAuth, fault.Unauthenticated, "the server lets us in by %s, but does not show that it knows the password", m.name)
			case err != nil || reply.Code != 334:
				return reply, err
			}
			challenge, err := base64.StdEncoding.DecodeString(reply.Lines[0])
			if err == nil {
				challenge, err = x.Next(challenge)
			}
			if err != nil {
				return reply, newError(AtAuth, fault.Unauthenticated, "%v", err) // the connection ends here
			}
			line = encode(string(challenge))
		}
	}
	return reply, nil
}
