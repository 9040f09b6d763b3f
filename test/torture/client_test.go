package torture

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// opTime bounds every exchange, so that a server that hangs fails the test.
const opTime = 30 * time.Second

// errRefused is an answer that says no. Any other error of a client is the
// connection's: what was asked last may have happened or not.
var errRefused = errors.New("refused")

// client speaks lines.
type client struct {
	conn net.Conn
	r    *bufio.Reader
	tag  int
}

func dial(addr string, implicitTLS bool) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, opTime)
	if err != nil {
		return nil, err
	}
	if implicitTLS {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // the certificate signs itself
	}
	return &client{conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (c *client) close() { c.conn.Close() }

func (c *client) send(data string) error {
	if err := c.conn.SetDeadline(time.Now().Add(opTime)); err != nil {
		return err
	}
	_, err := io.WriteString(c.conn, data)
	return err
}

func (c *client) line() (string, error) {
	s, err := c.r.ReadString('\n')
	return strings.TrimSuffix(s, "\r\n"), err
}

// smtp sends one command or a message and gives the reply, which must begin with
// the digit expected.
func (c *client) smtp(data, expect string) (string, error) {
	if data != "" {
		if err := c.send(data); err != nil {
			return "", err
		}
	}
	for {
		s, err := c.line()
		if err != nil {
			return "", err
		}
		if len(s) >= 4 && s[3] == '-' {
			continue
		}
		if !strings.HasPrefix(s, expect) {
			return s, fmt.Errorf("%w: %.40q: %s", errRefused, data, s)
		}
		return s, nil
	}
}

// pop3 sends a command and gives the answer's text; with lines, also what follows it
// up to the dot.
func (c *client) pop3(command string, lines bool) (string, []string, error) {
	if command != "" {
		if err := c.send(command + "\r\n"); err != nil {
			return "", nil, err
		}
	}
	status, err := c.line()
	if err != nil {
		return "", nil, err
	}
	if !strings.HasPrefix(status, "+OK") {
		return status, nil, fmt.Errorf("%w: %s: %s", errRefused, command, status)
	}
	var body []string
	for lines {
		s, err := c.line()
		if err != nil {
			return "", nil, err
		}
		if s == "." {
			break
		}
		body = append(body, strings.TrimPrefix(s, "."))
	}
	return status, body, nil
}

// imap runs a command and gives its untagged responses, literals in place, and
// the text of the tagged one.
func (c *client) imap(format string, args ...any) (untagged []string, ok string, err error) {
	c.tag++
	tag := fmt.Sprintf("t%d ", c.tag)
	if err := c.send(tag + fmt.Sprintf(format, args...) + "\r\n"); err != nil {
		return nil, "", err
	}
	for {
		s, err := c.response()
		if err != nil {
			return nil, "", err
		}
		answer, tagged := strings.CutPrefix(s, tag)
		switch {
		case !tagged:
			untagged = append(untagged, s)
		case strings.HasPrefix(answer, "OK"):
			return untagged, answer, nil
		default:
			return untagged, answer, fmt.Errorf("%w: %.80s: %s", errRefused, fmt.Sprintf(format, args...), answer)
		}
	}
}

// response is a line with the literals that it announces.
func (c *client) response() (string, error) {
	var all strings.Builder
	for {
		s, err := c.line()
		if err != nil {
			return "", err
		}
		all.WriteString(s)
		open := strings.LastIndexByte(s, '{')
		if open < 0 || !strings.HasSuffix(s, "}") {
			return all.String(), nil
		}
		n, err := strconv.Atoi(s[open+1 : len(s)-1])
		if err != nil {
			return all.String(), nil
		}
		all.WriteString("\r\n")
		if _, err := io.CopyN(&all, c.r, int64(n)); err != nil {
			return "", err
		}
	}
}

// dialIMAP gives a session that is logged in.
func (w *world) dialIMAP(user string) (*client, error) {
	c, err := dial(w.imaps, true)
	if err != nil {
		return nil, err
	}
	if err := c.conn.SetDeadline(time.Now().Add(opTime)); err != nil {
		return nil, err
	}
	if _, err = c.line(); err == nil {
		_, _, err = c.imap("LOGIN %s@%s %q", user, domain, password)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}
