package roster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/config"
	"posthorn/internal/credential"
	"posthorn/internal/directory"
)

// What values may be, and the words for those that are something else.

// days reads an object of days by mailbox.
func (p *parser) days(n node, where string) (map[string]int, bool) {
	members, ok := n.value.([]member)
	if !ok {
		p.add(n.line, where, "%s is no object; want { \"Trash\": 30 }", n)
	}
	all := map[string]int{}
	for _, m := range members {
		days, isNumber := p.number(m.value, where+"."+m.key)
		if _, twice := all[m.key]; twice {
			p.add(m.line, where+"."+m.key, "the key stands here twice")
		}
		all[m.key], ok = int(days), ok && isNumber
	}
	return all, ok
}

func (p *parser) mechanisms(n node, key string) ([]string, bool) {
	names, ok := p.texts(n, key)
	for i, name := range names {
		names[i] = strings.ToUpper(name)
	}
	slices.Sort(names)
	return slices.Compact(names), ok
}

// hash reads what an account's password is kept as. It is not told what stands there.
func (p *parser) hash(n node, key string) string {
	text, ok := n.value.(string)
	if !ok {
		p.add(n.line, key, "this is no text; want a {SCHEME}hash")
		return ""
	}
	_, hash, err := credential.Parse(text)
	switch {
	case err != nil:
		p.add(n.line, key, "%v", err)
	case hash == "":
		p.add(n.line, key, "this is no {SCHEME}hash, and passwords do not belong into this file; put it into one of its own, and name that as password_file")
	}
	return hash
}

func (p *parser) passwordFile(n node, key string) string {
	name, ok := p.text(n, key)
	if !ok {
		return ""
	}
	password, err := p.passwords(name)
	var hash string
	if err == nil {
		_, hash, err = credential.Parse(password)
	}
	if err != nil {
		p.add(n.line, key, "%s: %v", name, err)
	}
	return cmp.Or(hash, password)
}

// own reads an address of ours, in the form in which it is kept.
func (p *parser) own(n node, key string) string {
	text, ok := p.text(n, key)
	if !ok {
		return ""
	}
	address, err := addr.Parse(text)
	if err == nil {
		address, err = directory.Canonical(address)
	}
	if err != nil {
		p.add(n.line, key, "%v", err)
		return ""
	}
	return address.String()
}

// address reads an address of anybody.
func (p *parser) address(n node, key string) string {
	text, ok := p.text(n, key)
	if !ok {
		return ""
	}
	address, err := addr.Parse(text)
	if err != nil {
		p.add(n.line, key, "%v", err)
	}
	return address.String()
}

func (p *parser) addresses(n node, key string) []string {
	all := []string{}
	each(p, n, key, &all, p.address)
	return all
}

func (p *parser) domainName(n node, key string) string {
	text, ok := p.text(n, key)
	if !ok {
		return ""
	}
	name, err := addr.CanonicalDomain(text)
	if err != nil {
		p.add(n.line, key, "%v", err)
	}
	return name
}

func (p *parser) text(n node, key string) (string, bool) {
	text, ok := n.value.(string)
	if !ok {
		p.add(n.line, key, "%s is no text; want \"…\"", n)
	}
	return text, ok
}

func (p *parser) texts(n node, key string) ([]string, bool) {
	before, all := p.count(), []string{}
	each(p, n, key, &all, func(n node, key string) string { text, _ := p.text(n, key); return text })
	return all, p.count() == before
}

func (p *parser) flag(n node, key string) (bool, bool) {
	flag, ok := n.value.(bool)
	if !ok {
		p.add(n.line, key, "%s is neither true nor false", n)
	}
	return flag, ok
}

func (p *parser) number(n node, key string) (int64, bool) {
	if text, ok := n.value.(json.Number); ok {
		if number, err := text.Int64(); err == nil {
			return number, true
		}
	}
	p.add(n.line, key, "%s is no whole number", n)
	return 0, false
}

// size reads bytes, as a number or with a unit.
func (p *parser) size(n node, key string) (int64, bool) {
	text, ok := n.value.(string)
	if !ok {
		return p.number(n, key)
	}
	size, ok := config.ParseSize(text)
	if !ok {
		p.add(n.line, key, "%q is no size; want a number of bytes, or one with a unit such as \"2GB\" or \"500MiB\"", text)
	}
	return size, ok
}

func (p *parser) limit(n node, key string, read func(node, string) (int64, bool)) int64 {
	limit, ok := read(n, key)
	if ok && limit < 0 {
		p.add(n.line, key, "%d is no limit; want a number above 0, or 0 for no limit", limit)
	}
	return limit
}

// String shows a value that is not what it should be.
func (n node) String() string {
	switch value := n.value.(type) {
	case nil:
		return "null"
	case []member:
		return "an object"
	case []node:
		return "a list"
	case string:
		return fmt.Sprintf("%q", value)
	default:
		return fmt.Sprint(value)
	}
}
