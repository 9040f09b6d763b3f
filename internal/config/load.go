package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Load reads and checks a configuration file. Its error is either that of opening
// the file or Problems with all that is wrong in it.
func Load(file string) (*Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return Parse(file, data)
}

// Parse is Load for a file already read. The file's name is used in messages and
// as the start of relative paths.
func Parse(file string, data []byte) (*Config, error) {
	c := Default()
	r := reader{file: file, dir: filepath.Dir(file), lines: keyLines(data)}
	c.DataDir = filepath.Join(r.dir, c.DataDir)
	r.document(&c, data)
	if len(r.problems) == 0 {
		r.check(&c)
	}
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int { return a.Line - b.Line })
		return nil, r.problems
	}
	return &c, nil
}

// reader takes values over from a document and collects what is wrong.
type reader struct {
	file, dir string
	lines     map[string]int // of each key, by its path
	problems  Problems
}

// problem notes what is wrong at a key, given by its path ("listener.0.protocol").
func (r *reader) problem(path, format string, args ...any) {
	r.problems = append(r.problems, Problem{
		File: r.file, Line: r.line(path), Key: withoutIndex(path), Text: fmt.Sprintf(format, args...),
	})
}

// line is where a key stands; for a key that does not, where its table does.
func (r *reader) line(path string) int {
	for {
		if n := r.lines[path]; n > 0 {
			return n
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return 0
		}
		path = path[:i]
	}
}

// withoutIndex turns listener.0.protocol into listener.protocol.
func withoutIndex(path string) string {
	parts := strings.Split(path, ".")
	parts = slices.DeleteFunc(parts, func(s string) bool {
		_, err := strconv.Atoi(s)
		return err == nil
	})
	return strings.Join(parts, ".")
}

func (r *reader) document(c *Config, data []byte) {
	var doc map[string]any
	if err := toml.Unmarshal(data, &doc); err != nil {
		r.syntax(err)
		return
	}
	var known []string
	for _, t := range c.tables() {
		if t.name == "" {
			known = append(known, names(t.fields)...)
			r.fields("", t.fields, doc)
			continue
		}
		known = append(known, t.name)
		r.table(t, doc[t.name])
	}
	for _, list := range c.arrays() {
		known = append(known, list.name)
		r.tables(list, doc[list.name])
	}
	r.unknown("", doc, known)
}

// syntax notes that the file is not TOML.
func (r *reader) syntax(err error) {
	p := Problem{File: r.file, Text: strings.TrimPrefix(err.Error(), "toml: ")}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		p.Line, _ = decode.Position()
	}
	r.problems = append(r.problems, p)
}

func (r *reader) table(t table, v any) {
	if v == nil {
		v = map[string]any{}
	}
	keys, ok := v.(map[string]any)
	if !ok {
		r.problem(t.name, "%s is not a table; write [%s] on a line of its own", showAny(v), t.name)
		return
	}
	r.fields(t.name, t.fields, keys)
	r.unknown(t.name, keys, names(t.fields))
}

// tables reads the tables of a list.
func (r *reader) tables(a array, v any) {
	list, ok := v.([]any)
	if !ok && v != nil {
		r.problem(a.name, "is not a list of tables; write [[%s]] with two brackets", a.name)
		return
	}
	for i, item := range list {
		path := join(a.name, strconv.Itoa(i))
		keys, ok := item.(map[string]any)
		if !ok {
			r.problem(path, "%s is not a table; write [[%s]]", showAny(item), a.name)
			continue
		}
		fields := a.add()
		r.fields(path, fields, keys)
		r.unknown(path, keys, names(fields))
	}
}

// fields reads each field that is there and misses those that must be.
func (r *reader) fields(path string, fields []field, keys map[string]any) {
	for _, f := range fields {
		v, ok := keys[f.name]
		switch {
		case ok:
			if err := f.value.read(v, r.dir); err != nil {
				r.problem(join(path, f.name), "%v", err)
			}
		case f.required:
			r.problem(join(path, f.name), "is missing; want something like %s = %s", f.name, f.example)
		}
	}
}

// unknown notes the keys that nobody knows, and what they may have been meant to be.
func (r *reader) unknown(path string, keys map[string]any, known []string) {
	for key := range keys {
		if slices.Contains(known, key) {
			continue
		}
		if near := nearest(key, known); near != "" {
			r.problem(join(path, key), "is not a known key; did you mean %q?", near)
		} else {
			r.problem(join(path, key), "is not a known key; known here: %s", strings.Join(known, " "))
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func names(fields []field) []string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.name
	}
	return all
}
