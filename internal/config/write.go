package config

import (
	"fmt"
	"io"
	"strings"
)

// Reference writes every key with its explanation and its default.
func Reference(w io.Writer) error {
	return write(w, Default())
}

// Write writes a configuration as a file for people: every key is there with its
// explanation, those that have their default value as a comment.
func Write(w io.Writer, c Config) error { return write(w, c) }

func write(w io.Writer, c Config) error {
	var b strings.Builder
	b.WriteString("# Configuration of posthorn. A key behind a # has the value shown, or none.\n")
	b.WriteString("# `posthorn config check` tells what is wrong with it.\n\n")
	normal := Default()
	defaults := normal.tables()
	for i, t := range c.tables() {
		if t.name != "" {
			fmt.Fprintf(&b, "\n%s[%s]\n", comment("# ", t.doc), t.name)
		}
		writeExplained(&b, t.fields, defaults[i].fields)
		for _, list := range c.arrays() {
			if list.after == t.name {
				writeArray(&b, list)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeExplained writes every key behind its explanation.
func writeExplained(b *strings.Builder, fields, defaults []field) {
	for i, f := range fields {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(comment("# ", f.doc))
		writeField(b, f, defaults[i])
	}
}

// writeArray explains the keys once and writes the tables below; without any, one
// that shows what they look like.
func writeArray(b *strings.Builder, a array) {
	b.WriteString("\n" + comment("# ", a.doc))
	for _, f := range a.normal {
		text := comment("#                    ", f.doc)
		fmt.Fprintf(b, "#   %-15s  %s", f.name, text[len("#                    "):])
	}
	for _, fields := range a.tables {
		fmt.Fprintf(b, "\n[[%s]]\n", a.name)
		for j, f := range fields {
			if f.required || f.value.show() != a.normal[j].value.show() {
				writeField(b, f, a.normal[j])
			}
		}
	}
	if len(a.tables) == 0 {
		b.WriteString("\n" + a.sample())
	}
}

// sample is a table that shows what they look like; as a comment if none is needed.
func (a array) sample() string {
	var b strings.Builder
	fmt.Fprintf(&b, "[[%s]]\n", a.name)
	for _, f := range a.normal {
		writeField(&b, f, f)
	}
	if a.needed {
		return b.String()
	}
	lines := strings.ReplaceAll("\n"+b.String(), "\n# ", "\n")
	return strings.TrimPrefix(strings.ReplaceAll(strings.TrimSuffix(lines, "\n"), "\n", "\n# "), "\n") + "\n"
}

// writeField writes one key; as a comment if it has its default value.
func writeField(b *strings.Builder, f, normal field) {
	now := f.value.show()
	if now == normal.value.show() && !f.required && !f.explicit {
		b.WriteString("# ")
	}
	if now == "" {
		now = f.example
	}
	fmt.Fprintf(b, "%s = %s\n", f.name, now)
}

// comment breaks a text into lines of a readable width that begin with indent.
func comment(indent, text string) string {
	const width = 90
	var b strings.Builder
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(indent)+len(line)+1+len(word) > width {
			b.WriteString(indent + line + "\n")
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		b.WriteString(indent + line + "\n")
	}
	return b.String()
}
