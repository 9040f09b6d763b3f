package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// senderDomain is whose users write; it takes notifications.
const senderDomain = "senders.test"

// send hands all messages in, over some connections at once. Message i is for
// domain i modulo their number, so that all domains have something at once.
func send(s *settings, address string) error {
	text := compose(s.size)
	var next atomic.Int64
	var group errgroup.Group
	for range s.connections {
		group.Go(func() error {
			c, err := connect(address)
			if err != nil {
				return err
			}
			defer c.nc.Close()
			for {
				i := int(next.Add(1)) - 1
				if i >= s.messages {
					return nil
				}
				if err := c.message(fmt.Sprintf("m%d@%s", i, domainName(i%s.domains)), text); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// compose makes a message of so many bytes, with its end.
func compose(size int) string {
	const line = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do.\r\n"
	head := "From: <sender@" + senderDomain + ">\r\nTo: undisclosed-recipients:;\r\nSubject: relay\r\n" +
		"Date: Sat, 1 Jan 2000 00:00:00 +0000\r\nMessage-ID: <1@" + senderDomain + ">\r\n\r\n"
	body := strings.Repeat(line, max(0, size-len(head))/len(line)+1)
	return (head + body)[:max(len(head), size-2)] + "\r\n.\r\n"
}

// client hands messages in.
type client struct {
	nc net.Conn
	r  *bufio.Reader
}

func connect(address string) (*client, error) {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &client{nc, bufio.NewReader(nc)}
	if err := c.expect("220"); err != nil {
		return nil, err
	}
	return c, c.say("EHLO client.test\r\n", "250")
}

func (c *client) message(to, text string) error {
	commands := "MAIL FROM:<sender@" + senderDomain + ">\r\nRCPT TO:<" + to + ">\r\nDATA\r\n"
	if err := c.say(commands, "250", "250", "354"); err != nil {
		return err
	}
	return c.say(text, "250")
}

func (c *client) say(text string, replies ...string) error {
	if _, err := c.nc.Write([]byte(text)); err != nil {
		return err
	}
	for _, code := range replies {
		if err := c.expect(code); err != nil {
			return err
		}
	}
	return nil
}

// expect reads a reply.
func (c *client) expect(code string) error {
	for {
		line, err := c.r.ReadString('\n')
		switch {
		case err != nil:
			return err
		case !strings.HasPrefix(line, code):
			return fmt.Errorf("want %s, got %q", code, line)
		case len(line) < 4 || line[3] != '-':
			return nil
		}
	}
}
