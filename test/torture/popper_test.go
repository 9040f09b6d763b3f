package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// popper is a POP3 client. Nobody else takes messages out of its maildrop.
type popper struct {
	user    string
	deleted map[token]bool // for certain
	maybe   []token        // by a QUIT that was not answered: all of them or none
}

// pop empties parts of a maildrop until the server is gone.
func (w *world) pop(p *popper, dice *rand.Rand) error {
	for range maxOps {
		if err := w.popOnce(p, dice); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) popOnce(p *popper, dice *rand.Rand) error {
	c, err := dial(w.pop3s, true)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.conn.SetDeadline(time.Now().Add(opTime)); err != nil {
		return err
	}
	for _, command := range []string{"", fmt.Sprintf("USER %s@%s", p.user, domain), "PASS " + password} {
		if status, _, err := c.pop3(command, false); err != nil {
			if errors.Is(err, errRefused) && strings.Contains(status, "[IN-USE]") {
				return nil // the session before has not ended yet
			}
			return err
		}
	}
	_, listing, err := c.pop3("UIDL", true)
	if err != nil {
		return err
	}
	var gone []token
	for _, entry := range listing[:min(len(listing), 20)] {
		number, name, _ := strings.Cut(entry, " ")
		tok, err := w.retrieve(c, p, number, name)
		if err != nil {
			return err
		}
		if dice.IntN(3) > 0 {
			if _, _, err := c.pop3("DELE "+number, false); err != nil {
				return err
			}
			gone = append(gone, tok)
		}
	}
	return p.quit(c, gone)
}

// retrieve reads a message, whole or the top of it.
func (w *world) retrieve(c *client, p *popper, number, name string) (token, error) {
	n, err := strconv.Atoi(number)
	if err != nil {
		return "", fmt.Errorf("%w: UIDL lists %q", errRefused, number)
	}
	command, whole := "RETR "+number, true
	if n%2 == 0 {
		command, whole = "TOP "+number+" 0", false
	}
	_, lines, err := c.pop3(command, true)
	if err != nil {
		return "", err
	}
	text := strings.Join(lines, "\r\n") + "\r\n"
	tok := tokenIn(text)
	if tok == "" || whole && !intact(text) {
		w.ledger.problem("%s: UIDL %s: the message is not whole", p.user, name)
	}
	w.ledger.uidl(p.user, name, tok)
	w.ledger.saw(p.user, tok)
	return tok, nil
}

// quit is what makes deletions count.
func (p *popper) quit(c *client, gone []token) error {
	p.maybe = gone
	if _, _, err := c.pop3("QUIT", false); err != nil {
		return err
	}
	for _, tok := range gone {
		p.deleted[tok] = true
	}
	p.maybe = nil
	return nil
}

// settle finds out, from what is there, whether an unanswered QUIT has happened.
func (p *popper) settle(l *ledger, there map[token]int) {
	left := 0
	for _, tok := range p.maybe {
		if there[tok] > 0 {
			left++
		}
	}
	switch left {
	case 0:
		for _, tok := range p.maybe {
			p.deleted[tok] = true
		}
	case len(p.maybe):
	default:
		l.problem("%s: a QUIT that was cut off has deleted %d of %d messages", p.user, len(p.maybe)-left, len(p.maybe))
	}
	p.maybe = nil
}
