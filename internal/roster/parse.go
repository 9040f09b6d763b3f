package roster

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"posthorn/internal/directory"
)

// PasswordFile gives the password that is in a file which a document names.
type PasswordFile func(name string) (string, error)

// Parse reads a document. file is what it is called in errors, which name all that is
// wrong: line, key, value and what is allowed. Kind of error: Invalid.
func Parse(file string, text []byte, passwords PasswordFile) (Document, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // the mark that some editors write
	p := &parser{problems: problems{file: file}, passwords: passwords, lines: map[string]int{}}
	if !utf8.Valid(text) {
		p.add(0, "", "this is not in UTF-8")
		return Document{}, p.err()
	}
	root, err := parseTree(text)
	var syntax *syntaxError
	if errors.As(err, &syntax) {
		p.add(syntax.line, "", "%s", syntax.text)
		return Document{}, p.err()
	}
	var d Document
	p.object(root, "", []row{
		{"domains", func(n node, key string) { each(p, n, key, &d.Domains, p.domain) }},
		{"accounts", func(n node, key string) { each(p, n, key, &d.Accounts, p.account) }},
		{"aliases", func(n node, key string) { each(p, n, key, &d.Aliases, p.alias) }},
	})
	return d, p.err()
}

// parser reads nodes. What is wrong it notes, and goes on.
type parser struct {
	problems
	passwords PasswordFile
	lines     map[string]int // where each object stands, by its name
}

// row is a key that an object may have, and what reads its value.
type row struct {
	key  string
	read func(n node, key string)
}

// object reads an object, whose keys are in a table.
func (p *parser) object(n node, where string, rows []row) {
	members, ok := n.value.([]member)
	if !ok {
		p.add(n.line, where, "%s is no object; want { … }", n)
		return
	}
	seen := map[string]bool{}
	for _, m := range members {
		path := strings.TrimPrefix(where+"."+m.key, ".")
		at := slices.IndexFunc(rows, func(r row) bool { return r.key == m.key })
		switch {
		case at < 0:
			p.add(m.line, path, "there is no such key; want %s", keys(rows))
		case seen[m.key]:
			p.add(m.line, path, "the key stands here twice")
		default:
			rows[at].read(m.value, path)
		}
		seen[m.key] = true
	}
}

func keys(rows []row) string {
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.key
	}
	return strings.Join(names, ", ")
}

// each reads a list of objects.
func each[T any](p *parser, n node, where string, to *[]T, read func(node, string) T) {
	items, ok := n.value.([]node)
	if !ok {
		p.add(n.line, where, "%s is no list; want [ … ]", n)
	}
	for _, item := range items {
		*to = append(*to, read(item, where))
	}
}

func (p *parser) domain(n node, where string) Domain {
	d := Domain{line: n.line}
	p.object(n, where, []row{
		{"name", func(n node, key string) { d.Name = p.domainName(n, key) }},
		{"alias_of", func(n node, key string) { d.AliasOf = p.domainName(n, key) }},
		{"catch_all", func(n node, key string) {
			if text, ok := p.text(n, key); ok && text != "" {
				text = p.address(n, key)
				d.CatchAll = &text
			} else if ok {
				d.CatchAll = new("")
			}
		}},
		{"admins", func(n node, key string) {
			admins := []string{}
			each(p, n, key, &admins, p.own)
			slices.Sort(admins)
			d.Admins = new(slices.Compact(admins))
		}},
		{"limits", func(n node, key string) { d.Limits = p.limits(n, key) }},
	})
	if d.AliasOf != "" && (d.CatchAll != nil || d.Admins != nil || d.Limits != nil) {
		p.add(n.line, where, "an alias of a domain has nothing of its own; what is set of %s counts", d.AliasOf)
	}
	p.named(n, where, "name", d.Name)
	return d
}

func (p *parser) limits(n node, where string) *Limits {
	var l Limits
	p.object(n, where, []row{
		{"accounts", func(n node, key string) { l.Accounts = p.limit(n, key, p.number) }},
		{"quota", func(n node, key string) { l.Quota = p.limit(n, key, p.size) }},
	})
	return &l
}

func (p *parser) account(n node, where string) Account {
	a := Account{line: n.line}
	p.object(n, where, append([]row{
		{"address", func(n node, key string) { a.Address = p.own(n, key) }},
		{"password", func(n node, key string) { a.Password = p.hash(n, key) }},
		{"password_file", func(n node, key string) { a.Password = p.passwordFile(n, key) }},
		{"directory", func(n node, key string) { a.Directory, _ = p.text(n, key) }},
	}, p.settings(&a.Settings)...))
	p.named(n, where, "address", a.Address)
	return a
}

func (p *parser) alias(n node, where string) Alias {
	a := Alias{line: n.line}
	p.object(n, where, []row{
		{"address", func(n node, key string) { a.Address = p.own(n, key) }},
		{"targets", func(n node, key string) { a.Targets = p.addresses(n, key) }},
		{"senders", func(n node, key string) {
			allowed := []string{anyone, string(directory.Members), string(directory.SameDomain)}
			if text, ok := p.text(n, key); ok && !slices.Contains(allowed, text) {
				p.add(n.line, key, "%q may not write to it; want %s", text, strings.Join(allowed, ", "))
			} else if ok {
				a.Senders = &text
			}
		}},
	})
	if len(a.Targets) == 0 {
		p.add(n.line, where, "targets are missing: the addresses that get its mail")
	}
	p.named(n, where, "address", a.Address)
	return a
}

// named notes that an object has no name, or one that another one has.
func (p *parser) named(n node, where, key, name string) {
	members, isObject := n.value.([]member)
	line, twice := p.lines[name]
	switch {
	case isObject && !slices.ContainsFunc(members, func(m member) bool { return m.key == key }):
		p.add(n.line, where, "%s is missing", key)
	case name == "": // it was told why
	case twice:
		p.add(n.line, where+"."+key, "%s stands in line %d already", name, line)
	default:
		p.lines[name] = n.line
	}
}

// settings are the rows of an account's settings.
func (p *parser) settings(s *Settings) []row {
	return []row{
		{"state", func(n node, key string) {
			set(p, n, key, &s.State, p.text, func(name string) error { _, err := directory.ParseState(name); return err })
		}},
		{"reason", func(n node, key string) {
			set(p, n, key, &s.Reason, p.text, func(text string) error { return check(directory.Settings{Reason: &text}) })
		}},
		{"language", func(n node, key string) {
			set(p, n, key, &s.Language, p.text, func(tag string) error { return check(directory.Settings{Language: &tag}) })
		}},
		{"mechanisms_off", func(n node, key string) {
			set(p, n, key, &s.Off, p.mechanisms, func(names []string) error { return check(directory.Settings{Off: names}) })
		}},
		{"forward", func(n node, key string) { s.Forward = p.forward(n, key) }},
		{"retention", func(n node, key string) {
			set(p, n, key, &s.Retention, p.days, func(days map[string]int) error { return check(directory.Settings{Retention: days}) })
		}},
		{"pop3", func(n node, key string) {
			set(p, n, key, &s.POP3, p.pop3, func(pop3 directory.POP3) error { return check(directory.Settings{POP3: &pop3}) })
		}},
		{"quota", func(n node, key string) { s.Quota = p.quota(n, key) }},
	}
}

func check(s directory.Settings) error { return s.Check() }

// set reads a setting, which must be sound.
func set[T any](p *parser, n node, key string, to **T, read func(node, string) (T, bool), sound func(T) error) {
	value, ok := read(n, key)
	if !ok {
		return
	}
	if err := sound(value); err != nil {
		p.add(n.line, key, "%v", err)
		return
	}
	*to = &value
}

func (p *parser) forward(n node, where string) *Forward {
	f := Forward{To: []string{}}
	p.object(n, where, []row{
		{"to", func(n node, key string) { f.To = p.addresses(n, key) }},
		{"keep", func(n node, key string) { f.Keep, _ = p.flag(n, key) }},
	})
	if len(f.To) == 0 {
		f.Keep = false
	}
	return &f
}

func (p *parser) pop3(n node, where string) (s directory.POP3, ok bool) {
	before := p.count()
	p.object(n, where, []row{
		{"folder", func(n node, key string) {
			if s.Folder, _ = p.text(n, key); strings.EqualFold(s.Folder, "INBOX") {
				s.Folder = ""
			}
		}},
		{"unread", func(n node, key string) { s.Unread, _ = p.flag(n, key) }},
		{"mark", func(n node, key string) { s.Mark, _ = p.flag(n, key) }},
		{"trash", func(n node, key string) { s.Trash, _ = p.flag(n, key) }},
		{"expire", func(n node, key string) {
			if s.Expire = directory.Never; n.value != "never" {
				days, _ := p.number(n, key)
				s.Expire = int(days)
			}
		}},
	})
	return s, p.count() == before
}

func (p *parser) quota(n node, where string) *Quota {
	var q Quota
	p.object(n, where, []row{
		{"bytes", func(n node, key string) { q.Bytes = p.limit(n, key, p.size) }},
		{"messages", func(n node, key string) { q.Messages = p.limit(n, key, p.number) }},
		{"mailboxes", func(n node, key string) { q.Mailboxes = p.limit(n, key, p.number) }},
		{"metadata", func(n node, key string) { q.Metadata = p.limit(n, key, p.size) }},
	})
	return &q
}
