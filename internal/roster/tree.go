package roster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// node is a value of JSON with the line where it stands.
type node struct {
	line  int
	value any // nil, bool, string, json.Number, []node or []member
}

// member is a key of an object with its value.
type member struct {
	key   string
	line  int
	value node
}

// maxDepth is deeper than any document goes.
const maxDepth = 10

// treeReader reads JSON into nodes.
type treeReader struct {
	text    []byte
	tokens  *json.Decoder
	line    int
	counted int // bytes of text, whose line ends are in line
}

// syntaxError is that a text is no JSON, from a line on.
type syntaxError struct {
	line int
	text string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.text) }

// parseTree reads a whole text. Its errors are all of type *syntaxError.
func parseTree(text []byte) (node, error) {
	r := &treeReader{text: text, tokens: json.NewDecoder(bytes.NewReader(text)), line: 1}
	r.tokens.UseNumber()
	root, err := r.node(0)
	if err != nil {
		return node{}, err
	}
	if _, err := r.tokens.Token(); err != io.EOF {
		return node{}, r.fail("something stands behind the end of the document")
	}
	return root, nil
}

// next is the next token. Strings have no line ends in them, so that its end is in its line.
func (r *treeReader) next() (json.Token, error) {
	token, err := r.tokens.Token()
	var wrong *json.SyntaxError
	switch end := int(r.tokens.InputOffset()); {
	case errors.As(err, &wrong):
		r.count(int(wrong.Offset))
		return nil, r.fail("this is no JSON: %v", wrong)
	case err != nil:
		r.count(len(r.text))
		return nil, r.fail("the document ends too early")
	default:
		r.count(end)
		return token, nil
	}
}

// count brings line forward to a place in the text.
func (r *treeReader) count(end int) {
	end = min(end, len(r.text))
	if end > r.counted {
		r.line += bytes.Count(r.text[r.counted:end], []byte{'\n'})
		r.counted = end
	}
}

func (r *treeReader) fail(format string, args ...any) error {
	return &syntaxError{r.line, fmt.Sprintf(format, args...)}
}

func (r *treeReader) node(depth int) (node, error) {
	token, err := r.next()
	if err != nil {
		return node{}, err
	}
	n := node{line: r.line, value: token}
	delim, opens := token.(json.Delim)
	switch {
	case !opens:
		return n, nil
	case depth == maxDepth:
		return node{}, r.fail("this is nested too deeply")
	case delim == '{':
		n.value, err = r.members(depth + 1)
	default:
		n.value, err = r.items(depth + 1)
	}
	return n, err
}

func (r *treeReader) items(depth int) (all []node, err error) {
	for r.tokens.More() {
		item, err := r.node(depth)
		if err != nil {
			return nil, err
		}
		all = append(all, item)
	}
	_, err = r.next()
	return all, err
}

func (r *treeReader) members(depth int) (all []member, err error) {
	for r.tokens.More() {
		key, err := r.next()
		if err != nil {
			return nil, err
		}
		m := member{key: key.(string), line: r.line}
		if m.value, err = r.node(depth); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	_, err = r.next()
	return all, err
}
