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
		if t.name == "" {
			writeListeners(&b, c.Listeners)
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

// writeListeners explains the keys once and writes the listeners below; without
// any, one that shows what they look like.
func writeListeners(b *strings.Builder, listeners []Listener) {
	normal := new(Listener)
	b.WriteString("\n" + comment("# ", listenerDoc))
	for _, f := range normal.fields() {
		text := comment("#                    ", f.doc)
		fmt.Fprintf(b, "#   %-15s  %s", f.name, text[len("#                    "):])
	}
	for i := range listeners {
		b.WriteString("\n[[listener]]\n")
		defaults := normal.fields()
		for j, f := range listeners[i].fields() {
			if f.required || f.value.show() != defaults[j].value.show() {
				writeField(b, f, defaults[j])
			}
		}
	}
	if len(listeners) == 0 {
		b.WriteString("\n[[listener]]\n")
		for _, f := range normal.fields() {
			writeField(b, f, f)
		}
	}
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
