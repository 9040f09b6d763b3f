package transcript

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// player plays one script.
type player struct {
	t       *testing.T
	file    string
	o       Options
	conns   map[string]*conn
	order   []*conn
	words   map[string]string
	texts   map[string]string
	changed bool
}

func (p *player) close() {
	for _, c := range p.order {
		c.close()
	}
}

func (p *player) failf(l line, format string, args ...any) {
	p.t.Helper()
	p.t.Errorf("%s:%d: %s\n\t%s", p.file, l.number, l.text, fmt.Sprintf(format, args...))
}

// play does what a step says, waits until nothing moves any more, and compares.
func (p *player) play(s *step) {
	if err := p.act(s.action); err != nil {
		p.failf(s.action, "%v", err)
		return
	}
	synctest.Wait()
	for _, c := range p.order {
		got, closed := c.take()
		p.check(s, c.name, got, closed)
	}
}

func (p *player) act(l line) error {
	c := p.conns[l.conn]
	switch l.op {
	case "":
		if l.conn != "" {
			c = open(l.conn, p.o.Dial(l.conn))
			p.conns[l.conn] = c
			p.order = append(p.order, c)
		}
		return nil
	case ">":
		return p.sendLine(c, substitute(l.arg, p.words)+"\r\n")
	case ">=":
		text, err := strconv.Unquote(l.arg)
		if err != nil {
			return fmt.Errorf("not a quoted string: %w", err)
		}
		c.send(text)
		return nil
	case ">@":
		text, ok := p.texts[l.arg]
		if !ok {
			return fmt.Errorf("the archive has no file %q", l.arg)
		}
		c.send(text)
		return nil
	case "close":
		return c.hangUp()
	case "stall":
		c.stall()
		return nil
	case "resume":
		c.resume()
		return nil
	case "starttls":
		return c.startTLS()
	case "compress":
		return c.compress()
	case "advance":
		d, err := time.ParseDuration(l.arg)
		time.Sleep(d)
		return err
	}
	command := p.o.Commands[l.op]
	if command == nil {
		return fmt.Errorf("no command %q", l.op)
	}
	return command(strings.Fields(substitute(l.arg, p.words)), p.texts)
}

var literals = regexp.MustCompile(`\{\{([\w.-]+|"(?:[^"\\]|\\.)*")(\+?)\}\}`)

// sendLine sends a line and the literals that it names.
func (p *player) sendLine(c *conn, text string) error {
	for {
		at := literals.FindStringSubmatchIndex(text)
		if at == nil {
			c.send(text)
			return nil
		}
		name, plus := text[at[2]:at[3]], text[at[4]:at[5]]
		body, err := p.literal(name)
		if err != nil {
			return err
		}
		c.send(fmt.Sprintf("%s{%d%s}\r\n", text[:at[0]], len(body), plus))
		if plus == "" {
			synctest.Wait()
			if !c.asked() {
				return nil // what came instead of "+" is for the expectations
			}
		}
		c.send(body)
		text = text[at[1]:]
	}
}

// literal gives the text of a file, or the one that stands there in quotes.
func (p *player) literal(name string) (string, error) {
	if name[0] == '"' {
		return strconv.Unquote(name)
	}
	body, ok := p.texts[name]
	if !ok {
		return "", fmt.Errorf("the archive has no file %q", name)
	}
	return body, nil
}

// check compares what a connection received in a step with what was expected.
func (p *player) check(s *step, conn string, got []string, closed bool) {
	at, problem := p.compare(s, conn, got, closed)
	if problem == "" {
		return
	}
	if !*update {
		p.failf(at, "%s\n\treceived on %s:\n\t\t%s", problem, conn, strings.Join(got, "\n\t\t"))
		return
	}
	p.changed = true
	p.rewrite(s, conn, got, closed)
}

func (p *player) compare(s *step, conn string, got []string, closed bool) (line, string) {
	rest, wantClosed := got, false
	for i := 0; i < len(s.expects); i++ {
		l := s.expects[i]
		if l.conn != conn {
			continue
		}
		switch l.op {
		case "<":
			if len(rest) == 0 {
				return l, "nothing more was received"
			}
			if !match(l.arg, rest[0], p.words) {
				return l, "received " + rest[0]
			}
			rest = rest[1:]
		case "<*":
			k := p.find(l.arg, rest[:min(len(rest), unordered(s.expects[i:], conn))])
			if k < 0 {
				return l, "not received"
			}
			rest = append(append([]string(nil), rest[:k]...), rest[k+1:]...)
		case "<<":
			if l.arg == "" {
				rest = nil
				continue
			}
			k := p.find(l.arg, rest)
			if k < 0 {
				return l, "not received"
			}
			rest = rest[k+1:]
		case "!":
			if k := p.find(l.arg, got); k >= 0 {
				return l, "received " + got[k]
			}
		case "closed":
			wantClosed = true
			if !closed {
				return l, "it is open"
			}
		}
	}
	if len(rest) > 0 {
		return s.action, "also received " + rest[0]
	}
	if closed && !wantClosed {
		return s.action, "the connection was closed"
	}
	return line{}, ""
}

func (p *player) find(pattern string, lines []string) int {
	for i, l := range lines {
		if match(pattern, l, p.words) {
			return i
		}
	}
	return -1
}

// unordered counts the lines of a run that may come in any order.
func unordered(expects []line, conn string) int {
	n := 0
	for _, l := range expects {
		if l.conn == conn && l.op != "<*" {
			break
		}
		if l.conn == conn {
			n++
		}
	}
	return n
}

// rewrite puts what was received in place of what was expected.
func (p *player) rewrite(s *step, conn string, got []string, closed bool) {
	var fresh []line
	for _, text := range got {
		fresh = append(fresh, parseLine(0, conn+"< "+text))
	}
	if closed {
		fresh = append(fresh, parseLine(0, conn+" closed"))
	}
	var kept []line
	for _, l := range s.expects {
		if l.conn != conn || l.op == "!" {
			kept = append(kept, l)
			continue
		}
		kept = append(kept, fresh...)
		fresh = nil
	}
	if len(fresh) > 0 { // nothing was expected at all: before remarks
		n := len(kept)
		for n > 0 && kept[n-1].op == "" {
			n--
		}
		kept = append(kept[:n:n], append(fresh, kept[n:]...)...)
	}
	s.expects = kept
}
