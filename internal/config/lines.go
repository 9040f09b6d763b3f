package config

import (
	"strconv"

	"github.com/pelletier/go-toml/v2/unstable"
)

// keyLines finds the line of every key and table of a document. Keys are named by
// their path, tables of an array by their number: "listener.0.protocol". Of a
// document that is not TOML it gives what stands before the mistake.
func keyLines(data []byte) map[string]int {
	x := lineIndex{lines: map[string]int{}, arrays: map[string]int{}}
	x.parser.Reset(data)
	table := ""
	for x.parser.NextExpression() {
		switch e := x.parser.Expression(); e.Kind {
		case unstable.Table:
			table = x.resolve(e.Key())
		case unstable.ArrayTable:
			table = x.arrayTable(e.Key())
		case unstable.KeyValue:
			x.keyValue(table, e)
		}
	}
	return x.lines
}

// lineIndex is the index in the making.
type lineIndex struct {
	parser unstable.Parser
	lines  map[string]int
	arrays map[string]int // how many tables of an array have been seen
}

// note keeps the line of a key; the first mention wins.
func (x *lineIndex) note(path string, key *unstable.Node) {
	if _, ok := x.lines[path]; !ok {
		x.lines[path] = x.parser.Shape(key.Raw).Start.Line
	}
}

// resolve names a table; a part that is an array stands for its last element.
func (x *lineIndex) resolve(keys unstable.Iterator) string {
	path := ""
	for keys.Next() {
		path = join(path, string(keys.Node().Data))
		if n := x.arrays[path]; n > 0 {
			path = join(path, strconv.Itoa(n-1))
		}
		x.note(path, keys.Node())
	}
	return path
}

func (x *lineIndex) arrayTable(keys unstable.Iterator) string {
	path := ""
	for keys.Next() {
		path = join(path, string(keys.Node().Data))
		x.note(path, keys.Node())
		n := x.arrays[path]
		if keys.IsLast() {
			n++
			x.arrays[path] = n
		}
		if n > 0 {
			path = join(path, strconv.Itoa(n-1))
			x.note(path, keys.Node())
		}
	}
	return path
}

func (x *lineIndex) keyValue(table string, e *unstable.Node) {
	path := table
	keys := e.Key()
	for keys.Next() {
		path = join(path, string(keys.Node().Data))
		x.note(path, keys.Node())
	}
	x.value(path, e.Value())
}

// value descends into inline tables and lists of them.
func (x *lineIndex) value(path string, v *unstable.Node) {
	children := v.Children()
	for i := 0; (v.Kind == unstable.InlineTable || v.Kind == unstable.Array) && children.Next(); i++ {
		child := children.Node()
		if v.Kind == unstable.InlineTable {
			x.keyValue(path, child)
		} else {
			x.value(join(path, strconv.Itoa(i)), child)
		}
	}
}
