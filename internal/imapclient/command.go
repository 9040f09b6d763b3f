package imapclient

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
)

// Error is a server's refusal.
type Error struct {
	Command string // its first word
	Name    string // NO, BAD or BYE
	Code    imapwire.Code
	Text    string // the server's words, without control characters
}

func (e *Error) Error() string {
	code := ""
	if e.Code.Name != "" {
		code = " [" + e.Code.Name + "]"
	}
	return fmt.Sprintf("%s: the server says %s%s %s", e.Command, e.Name, code, e.Text)
}

// codeKinds are the kinds of errors that codes tell of (RFC 5530, RFC 9051 §7.1).
var codeKinds = [...]struct {
	code string
	kind fault.Kind
}{
	{"AUTHENTICATIONFAILED", fault.Unauthenticated},
	{"AUTHORIZATIONFAILED", fault.Unauthenticated},
	{"PRIVACYREQUIRED", fault.Denied},
	{"NOPERM", fault.Denied},
	{"UNAVAILABLE", fault.Unavailable},
	{"CONTACTADMIN", fault.Unavailable},
	{"SERVERBUG", fault.Unavailable},
	{"INUSE", fault.InUse},
	{"NONEXISTENT", fault.NotFound},
	{"TRYCREATE", fault.NotFound},
	{"ALREADYEXISTS", fault.Exists},
	{"OVERQUOTA", fault.OverQuota},
	{"TOOBIG", fault.TooLarge},
	{"LIMIT", fault.Limit},
}

// newError is of the kind that the code tells.
func newError(command string, r *imapwire.Response) error {
	kind := fault.Denied
	if r.Name == "BAD" {
		kind = fault.Unsupported
	}
	for _, k := range codeKinds {
		if k.code == r.Code.Name {
			kind = k.kind
		}
	}
	words := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, r.Text)
	return fault.New(kind, "imapclient: %w", &Error{command, r.Name, r.Code, words})
}

// broken closes the connection, unless the server has merely refused something, and
// says whether it was the context.
func (c *Client) broken(ctx context.Context, err error) error {
	var refused *Error
	if err == nil || errors.As(err, &refused) && refused.Name != "BYE" {
		return err
	}
	c.Close()
	if ctx.Err() != nil {
		return fault.New(fault.Canceled, "imapclient: given up: %w", context.Cause(ctx))
	}
	return err
}

// read reads a response and keeps what it says about the server.
func (c *Client) read(r *imapwire.Response) error {
	if err := c.dec.Next(); err != nil {
		return err
	}
	if !c.dec.Response(r) {
		return c.dec.Err()
	}
	if r.Name == "CAPABILITY" || r.Code.Name == "CAPABILITY" {
		c.caps = append([]string{}, r.Words...)
	}
	return nil
}

// data takes an untagged response, and says whether it is what was asked for.
type data func(r *imapwire.Response) bool

// command sends a command and gives its tagged answer.
func (c *Client) command(ctx context.Context, words string, take data) (*imapwire.Response, error) {
	defer c.conn.until(ctx)()
	if err := c.send(words); err != nil {
		return nil, c.broken(ctx, err)
	}
	return c.finish(ctx, words, take)
}

// Command sends any command, whose arguments are as on the wire. What it gives goes to
// Options.On.
func (c *Client) Command(ctx context.Context, words string) (*imapwire.Response, error) {
	return c.command(ctx, words, nil)
}

func (c *Client) send(words string) error {
	if strings.ContainsAny(words, "\r\n\x00") {
		return fault.New(fault.Invalid, "imapclient: a command cannot hold the end of a line")
	}
	c.tag++
	c.conn.heard = 0
	return c.conn.write([]byte("p" + strconv.Itoa(c.tag) + " " + words + "\r\n"))
}

// finish reads until the tagged answer.
func (c *Client) finish(ctx context.Context, words string, take data) (*imapwire.Response, error) {
	r, err := c.until(words, take, false)
	return r, c.broken(ctx, err)
}

// until reads until the tagged answer or, if goOn says so, until the server asks to go
// on.
func (c *Client) until(words string, take data, goOn bool) (*imapwire.Response, error) {
	name, _, _ := strings.Cut(words, " ")
	for {
		r := new(imapwire.Response)
		if err := c.read(r); err != nil {
			return nil, err
		}
		switch {
		case r.Tag == "+" && goOn:
			return r, nil
		case r.Tag == "*" && r.Name == "BYE" && name != "LOGOUT":
			return nil, newError(name, r)
		case r.Tag == "*":
			if err := c.untagged(r, take); err != nil {
				return nil, err
			}
		case r.Tag != "p"+strconv.Itoa(c.tag):
			return nil, fault.New(fault.Invalid, "imapclient: an answer to something that was not asked")
		case r.Name != "OK":
			return r, newError(name, r)
		default:
			return r, nil
		}
	}
}

func (c *Client) untagged(r *imapwire.Response, take data) error {
	taken := take != nil && take(r)
	if c.dec.Err() != nil {
		return c.dec.Err()
	}
	if r.MoreData { // nobody has asked
		c.messageData(r, nil, c.o.OnFlags)
		return c.dec.Err()
	}
	if taken && r.Name != "FETCH" && c.conn.heard > c.o.MaxAnswer { // it is being kept
		return fault.New(fault.TooLarge, "imapclient: the server's answer has more than %d bytes", c.o.MaxAnswer)
	}
	if !taken && c.o.On != nil {
		c.o.On(r)
	}
	return nil
}
