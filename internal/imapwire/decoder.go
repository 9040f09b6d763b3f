package imapwire

import (
	"fmt"
	"io"

	"posthorn/internal/fault"
)

// Source gives a Decoder the parts of one command after another.
type Source interface {
	// Line reads the next line and returns it without its line end. The Decoder is
	// done with it before it asks for anything else.
	Line() ([]byte, error)
	// Literal gives the n bytes of a literal, after telling the client to go on if
	// the literal waits for that. The Decoder reads it to its end.
	Literal(n int64, nonSync bool) (io.Reader, error)
}

// SyntaxError says where a command departs from the grammar. It never quotes the
// command, which may hold a password.
type SyntaxError struct {
	Expected string
	Line     int // from 1; a new one begins after each literal
	Column   int // from 1
}

func (e *SyntaxError) Error() string {
	if e.Line > 1 {
		return fmt.Sprintf("expected %s at column %d after literal %d", e.Expected, e.Column, e.Line-1)
	}
	return fmt.Sprintf("expected %s at column %d", e.Expected, e.Column)
}

// Decoder decodes commands. After the first failure every method returns false and
// changes nothing, until the next command.
type Decoder struct {
	// Limit is how many bytes a command may hold besides its first line.
	Limit int
	// UTF8 says that quoted strings are UTF-8 (RFC 6855 §3, RFC 9051 §4.3).
	UTF8 bool

	src   Source
	line  []byte // the rest of the current line; empty after a failure
	full  []byte // the current line as a whole
	lines int    // lines begun in this command
	held  int    // counted against Limit
	err   error
	mark  []byte   // line as it was before the last keyword, see word
	upper [32]byte // the last keyword in upper case
}

// NewDecoder makes a Decoder of the commands that come from src.
func NewDecoder(src Source, limit int) *Decoder { return &Decoder{src: src, Limit: limit} }

// Next begins the next command: it reads its first line.
func (d *Decoder) Next() error {
	d.lines, d.held, d.err = 0, 0, nil
	d.nextLine()
	return d.err
}

// Release ends a command: the Decoder lets go of the Source's line.
func (d *Decoder) Release() { d.line, d.full, d.mark = nil, nil, nil }

// Err is the first failure: a *SyntaxError in a fault.Invalid, a fault.TooLarge or
// fault.Limit, or whatever the Source returned.
func (d *Decoder) Err() error { return d.err }

func (d *Decoder) nextLine() bool {
	if d.err != nil {
		return false
	}
	line, err := d.src.Line()
	if err != nil {
		return d.fail(err)
	}
	d.lines++
	d.line, d.full = line, line
	return true
}

func (d *Decoder) fail(err error) bool {
	if d.err == nil {
		d.err = err
	}
	d.line = nil
	return false
}

// Fail records that something else was expected at this place.
func (d *Decoder) Fail(expected string) bool {
	if d.err != nil {
		return false
	}
	e := &SyntaxError{expected, d.lines, len(d.full) - len(d.line) + 1}
	return d.fail(fault.New(fault.Invalid, "imapwire: %w", e))
}

// SkipRest consumes what the client has sent, or will send unasked, of a command
// that failed, so that the next one can be read: RFC 7888 §4 lets a client send a
// literal without waiting to be asked, and it may follow an error.
func (d *Decoder) SkipRest() error {
	for d.lines > 0 {
		var l Literal
		if !parseLiteral(d.full, &l) || !l.NonSync {
			break
		}
		body, err := d.src.Literal(l.Size, true)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return err
		}
		if d.full, err = d.src.Line(); err != nil {
			return err
		}
	}
	d.Release()
	return nil
}

// hold counts bytes that a command keeps in memory.
func (d *Decoder) hold(n int64) bool {
	if n > int64(d.Limit-d.held) {
		return d.fail(fault.New(fault.TooLarge, "imapwire: the command is longer than %d bytes", d.Limit))
	}
	d.held += int(n)
	return true
}

// End succeeds at the end of the command. Spaces before it, which some clients
// send, are overlooked.
func (d *Decoder) End() bool {
	for len(d.line) > 0 && d.line[0] == ' ' {
		d.line = d.line[1:]
	}
	if len(d.line) > 0 {
		return d.Fail("the end of the command")
	}
	return d.err == nil
}

// AtEnd reports, without failing, whether nothing but the end of the line is left.
func (d *Decoder) AtEnd() bool {
	for _, b := range d.line {
		if b != ' ' {
			return false
		}
	}
	return d.err == nil
}

// SP expects one space.
func (d *Decoder) SP() bool { return d.Byte(' ') || d.Fail("a space") }

// Byte consumes b if it is next; it never records a failure.
func (d *Decoder) Byte(b byte) bool {
	if len(d.line) == 0 || d.line[0] != b {
		return false
	}
	d.line = d.line[1:]
	return true
}

// next is the next byte, 0 at the end of the line.
func (d *Decoder) next() byte {
	if len(d.line) == 0 {
		return 0
	}
	return d.line[0]
}

// expect consumes b.
func (d *Decoder) expect(b byte, name string) bool { return d.Byte(b) || d.Fail(name) }

// span consumes the bytes of a class.
func (d *Decoder) span(class uint8) []byte {
	n := 0
	for n < len(d.line) && classes[d.line[n]]&class != 0 {
		n++
	}
	s := d.line[:n]
	d.line = d.line[n:]
	return s
}

// word consumes a keyword and returns it in upper case, valid until the next one.
// It is empty if there is none, and cut off if it is longer than any that we know.
func (d *Decoder) word() []byte {
	d.mark = d.line
	s := d.span(wordChar)
	n := copy(d.upper[:], s)
	for i, b := range d.upper[:n] {
		if b >= 'a' && b <= 'z' {
			d.upper[i] = b - 'a' + 'A'
		}
	}
	return d.upper[:n]
}

// failWord records that another keyword was expected than the last one.
func (d *Decoder) failWord(expected string) bool {
	if d.err == nil {
		d.line = d.mark
	}
	return d.Fail(expected)
}

// keyword consumes one certain word.
func (d *Decoder) keyword(name string) bool {
	return string(d.word()) == name || d.failWord(name)
}

// List decodes a parenthesised list, item by item; empty lists are for the caller
// to refuse.
func (d *Decoder) List(item func() bool) bool {
	if !d.expect('(', "a list in parentheses") {
		return false
	}
	if d.Byte(')') {
		return true
	}
	for {
		if !item() {
			return d.Fail("an item of the list")
		}
		if d.Byte(')') {
			return true
		}
		if !d.expect(' ', "a space or the end of the list") {
			return false
		}
	}
}
