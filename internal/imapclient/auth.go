package imapclient

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
)

// Login says who we are, by AUTHENTICATE PLAIN (RFC 4616) where the server has it and
// by LOGIN otherwise.
func (c *Client) Login(ctx context.Context, user, password string) error {
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return err
	}
	switch {
	case slices.Contains(caps, "AUTH=PLAIN"):
		err = c.authenticate(ctx, user, password, slices.Contains(caps, "SASL-IR"))
	case slices.Contains(caps, "LOGINDISABLED"): // RFC 9051 §6.2.3: then LOGIN must not be sent
		return fault.New(fault.Denied, "imapclient: the server takes no password on this connection")
	default:
		b := append(imapwire.AppendString([]byte("LOGIN "), user), ' ')
		_, err = c.command(ctx, string(imapwire.AppendString(b, password)), nil)
	}
	if err == nil && slices.Equal(c.caps, caps) {
		c.caps = nil // RFC 3501 §6.2.2: they may be others now, and the server has not said
	}
	return err
}

func (c *Client) authenticate(ctx context.Context, user, password string, initial bool) error {
	if strings.Contains(user+password, "\x00") {
		return fault.New(fault.Invalid, "imapclient: a user name or password with a NUL")
	}
	response := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	if initial { // RFC 4959
		_, err := c.command(ctx, "AUTHENTICATE PLAIN "+response, nil)
		return err
	}
	defer c.conn.until(ctx)()
	const words = "AUTHENTICATE PLAIN"
	if err := c.ask(words); err != nil {
		return c.broken(ctx, err)
	}
	if err := c.conn.write([]byte(response + "\r\n")); err != nil {
		return c.broken(ctx, err)
	}
	_, err := c.finish(ctx, words, nil)
	return err
}

// ask sends a command and waits for the server to ask for its rest.
func (c *Client) ask(words string) error {
	if err := c.send(words); err != nil {
		return err
	}
	r, err := c.until(words, nil, true)
	if err == nil && r.Tag != "+" {
		return fault.New(fault.Invalid, "imapclient: the server answers before it has everything")
	}
	return err
}

// Enable enables extensions and gives those that the server has enabled (RFC 5161).
func (c *Client) Enable(ctx context.Context, extensions ...string) (enabled []string, err error) {
	_, err = c.command(ctx, "ENABLE "+strings.Join(extensions, " "), func(r *imapwire.Response) bool {
		if r.Name == "ENABLED" {
			enabled = append(enabled, r.Words...)
		}
		return r.Name == "ENABLED"
	})
	return enabled, err
}
