package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// maxOps bounds what one client does in a round.
const maxOps = 2000

// size chooses a message's size: most are small, some are large enough to lie in
// the blob store, a few are very large.
func size(dice *rand.Rand) int {
	switch n := dice.IntN(20); {
	case n < 14:
		return 200 + dice.IntN(6000)
	case n < 19:
		return 20_000 + dice.IntN(100_000)
	default:
		return 600_000
	}
}

// send delivers messages, each to one to three of the users, until the server is gone.
func (w *world) send(protocol string, users []string, dice *rand.Rand) error {
	addr, hello := w.smtp, "EHLO"
	if protocol == "lmtp" {
		addr, hello = w.lmtp, "LHLO"
	}
	c, err := dial(addr, false)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.conn.SetDeadline(time.Now().Add(opTime)); err != nil {
		return err
	}
	if _, err := c.smtp("", "2"); err != nil {
		return err
	}
	if _, err := c.smtp(hello+" torture.test\r\n", "2"); err != nil {
		return err
	}
	for range maxOps {
		to := choose(dice, users)
		if err := w.sendOne(c, protocol, to, size(dice)); err != nil {
			return err
		}
	}
	return nil
}

// choose takes one to three of the users.
func choose(dice *rand.Rand, users []string) []string {
	picked := make([]string, 0, 3)
	for _, i := range dice.Perm(len(users))[:1+dice.IntN(min(3, len(users)))] {
		picked = append(picked, users[i])
	}
	return picked
}

func (w *world) sendOne(c *client, protocol string, to []string, size int) error {
	if _, err := c.smtp("MAIL FROM:<torture@example.org>\r\n", "2"); err != nil {
		return err
	}
	for _, user := range to {
		if _, err := c.smtp(fmt.Sprintf("RCPT TO:<%s@%s>\r\n", user, domain), "2"); err != nil {
			return err
		}
	}
	if _, err := c.smtp("DATA\r\n", "3"); err != nil {
		return err
	}
	tok := w.ledger.newToken(protocol)
	d := w.ledger.begin(tok, to, protocol == "smtp")
	if err := c.send(strings.ReplaceAll(message(tok, size), "\r\n.", "\r\n..") + ".\r\n"); err != nil {
		return err
	}
	return w.answers(c, protocol, to, d)
}

// answers reads what has become of a message: SMTP says it once, LMTP for each
// recipient. Only a complete set of answers leaves no doubt.
func (w *world) answers(c *client, protocol string, to []string, d *delivery) error {
	count := 1
	if protocol == "lmtp" {
		count = len(to)
	}
	var acked []string
	for i := range count {
		_, err := c.smtp("", "2")
		switch {
		case errors.Is(err, errRefused):
			return err // nothing here is a reason to refuse
		case err != nil:
			w.ledger.acknowledge(d, acked)
			return err
		case protocol == "lmtp":
			acked = append(acked, to[i])
		default:
			acked = to
		}
	}
	w.ledger.end(d, acked)
	return nil
}

// acknowledge notes who certainly has a message of which the rest is in doubt.
func (l *ledger) acknowledge(d *delivery, acked []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, user := range acked {
		d.acked[user] = true
	}
}
