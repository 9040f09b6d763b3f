package cli

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// lineClient is as much of a client of IMAP and POP3 as the demo needs.
type lineClient struct {
	conn    net.Conn
	r       *bufio.Reader
	tag     int
	literal []byte // the last one that IMAP sent
}

// clientPatience is for everything a lineClient does.
const clientPatience = 20 * time.Second

func dialLines(address string, secure *tls.Config) (*lineClient, error) {
	conn, err := tls.Dial("tcp", address, secure)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(clientPatience)); err != nil {
		return nil, err
	}
	return &lineClient{conn: conn, r: bufio.NewReader(conn)}, nil
}

func (c *lineClient) close() { c.conn.Close() }

func (c *lineClient) line() (string, error) {
	line, err := c.r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// expect reads a line that begins in a certain way.
func (c *lineClient) expect(prefix string) error {
	line, err := c.line()
	if err == nil && !strings.HasPrefix(line, prefix) {
		err = fmt.Errorf("the server says %q", line)
	}
	return err
}

// imap sends a command and reads up to its completion. It returns the first
// untagged line.
func (c *lineClient) imap(command string) (first string, err error) {
	c.tag++
	tag := fmt.Sprintf("a%d ", c.tag)
	if _, err := io.WriteString(c.conn, tag+command+"\r\n"); err != nil {
		return "", err
	}
	for {
		line, err := c.line()
		if err != nil {
			return "", err
		}
		if err := c.readLiteral(line); err != nil {
			return "", err
		}
		status, done := strings.CutPrefix(line, tag)
		switch {
		case done && strings.HasPrefix(status, "OK"):
			return first, nil
		case done:
			return "", fmt.Errorf("%s: the server says %q", strings.Fields(command)[0], status)
		case first == "":
			first = line
		}
	}
}

// readLiteral reads the literal that a line announces at its end, if it does.
func (c *lineClient) readLiteral(line string) error {
	open := strings.LastIndexByte(line, '{')
	if open < 0 || !strings.HasSuffix(line, "}") {
		return nil
	}
	size, err := strconv.Atoi(line[open+1 : len(line)-1])
	if err != nil {
		return nil // the brace is part of something else
	}
	c.literal = make([]byte, size)
	_, err = io.ReadFull(c.r, c.literal)
	return err
}

// pop3 sends a command and reads its status.
func (c *lineClient) pop3(command string) (string, error) {
	if _, err := io.WriteString(c.conn, command+"\r\n"); err != nil {
		return "", err
	}
	line, err := c.line()
	if err == nil && !strings.HasPrefix(line, "+OK") {
		err = fmt.Errorf("%s: the server says %q", strings.Fields(command)[0], line)
	}
	return line, err
}

// dotted reads lines up to a dot alone (RFC 1939 §3).
func (c *lineClient) dotted() ([]byte, error) {
	var text bytes.Buffer
	for {
		line, err := c.r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if string(line) == ".\r\n" {
			return text.Bytes(), nil
		}
		text.Write(bytes.TrimPrefix(line, []byte(".")))
	}
}
