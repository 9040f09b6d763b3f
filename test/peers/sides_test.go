package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"posthorn/internal/config"
	"posthorn/internal/imapwire"
	"posthorn/test/live"
)

// The far side is worked on by testdata/far.py.

func (p *peers) far(user, task string, input []byte) []byte {
	p.Helper()
	return p.run(append([]byte(quotedUTF7(elsewhere)+"\n"), input...), "python3", "testdata/far.py", fmt.Sprint(p.server.Port(config.IMAPS)), p.certificate(),
		user+"@"+live.Domain, live.Password, task)
}

// quotedUTF7 is a name as JSON of what an imaplib program says.
func quotedUTF7(name string) string {
	b, err := json.Marshal(string(imapwire.AppendString(nil, imapwire.EncodeUTF7(name))))
	if err != nil {
		panic(err) // strings are always encoded
	}
	return string(b)
}

var systemFlags = map[string]string{imapwire.Draft: "D", imapwire.Flagged: "F", imapwire.Answered: "R", imapwire.Seen: "S"}

// fill appends messages to the mailboxes of the server.
func (p *peers) fill(user string, all post) {
	p.Helper()
	var input bytes.Buffer
	i := 0
	for _, it := range all {
		var flags []string
		for flag, letter := range systemFlags {
			if strings.Contains(it.flags, letter) {
				flags = append(flags, flag)
			}
		}
		i++
		line, err := json.Marshal([]string{"", strings.Join(flags, " "), p.file(fmt.Sprintf("append.%d", i), string(it.text), 0o600)})
		if err != nil {
			p.Fatal(err)
		}
		fmt.Fprintf(&input, "[%s,%s\n", quotedUTF7(it.mailbox), line[len(`["",`):])
	}
	p.far(user, "fill", input.Bytes())
}

// edit does what is to happen on the far side.
func (p *peers) edit(user string) {
	p.Helper()
	p.far(user, "edit", nil)
}

// farSide is all that is on the server; status tells of any change to it.
type farSide struct {
	post
	status map[string]string
}

func (p *peers) dump(user string) farSide {
	p.Helper()
	side := farSide{post{}, map[string]string{}}
	for line := range bytes.Lines(p.far(user, "dump", nil)) {
		var m struct {
			Mailbox, Status, Flags string
			Text                   []byte
		}
		if err := json.Unmarshal(line, &m); err != nil {
			p.Fatal(err)
		}
		name := imapwire.DecodeUTF7(strings.ReplaceAll(m.Mailbox, `\"`, `"`))
		side.status[name] = m.Status
		var flags strings.Builder
		for _, flag := range []string{imapwire.Draft, imapwire.Flagged, imapwire.Answered, imapwire.Seen} {
			if strings.Contains(m.Flags, flag) {
				flags.WriteString(systemFlags[flag])
			}
		}
		side.add(p, item{name, flags.String(), m.Text})
	}
	return side
}

// add adds a message; no message may be there twice.
func (m post) add(p *peers, it item) {
	p.Helper()
	found := messageID.FindSubmatch(it.text)
	if found == nil {
		p.Fatalf("a message in %q without Message-ID: %.200q", it.mailbox, it.text)
	}
	id := string(found[1])
	if first, ok := m[id]; ok {
		p.Errorf("%s is there twice, in %q and %q", id, first.mailbox, it.mailbox)
	}
	m[id] = it
}

// maildirs is the near side: a folder of Maildirs, whose names are in modified UTF-7 or
// UTF-8. Their files have LF at the ends of lines.
type maildirs struct {
	*peers
	root string
	utf7 bool
}

func (m maildirs) path(mailbox string) string {
	if m.utf7 {
		mailbox = imapwire.EncodeUTF7(mailbox)
	}
	return filepath.Join(m.root, mailbox)
}

func (m maildirs) fill(all post) {
	m.Helper()
	i := 0
	for id, it := range all {
		i++
		m.write(it.mailbox, fmt.Sprintf("17000000%02d.%d_%s.here", i%100, i, strings.Trim(id, "<>")), it.flags, bytes.ReplaceAll(it.text, []byte("\r\n"), []byte("\n")))
	}
}

func (m maildirs) write(mailbox, base, flags string, text []byte) {
	m.Helper()
	folder := m.path(mailbox)
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(folder, sub), 0o700); err != nil {
			m.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "cur", base+":2,"+flags), text, 0o600); err != nil {
		m.Fatal(err)
	}
}

// edit does what is to happen on the near side, as a program that reads Maildirs does it.
func (m maildirs) edit() {
	m.Helper()
	for _, name := range m.files() {
		it := m.item(name)
		found := messageID.FindSubmatch(it.text)
		f := fate(found[1][1:bytes.IndexByte(found[1], '.')])
		if f == bothFlag {
			f = nearFlag // the far side does the rest
		}
		if !strings.HasPrefix(string(f), "near") {
			continue
		}
		it = changed(f, it)
		if f == nearMove { // to a name that no program has a state of
			m.write(it.mailbox, "moved"+string(found[1][:len(found[1])-1]), it.flags, bytes.ReplaceAll(it.text, []byte("\r\n"), []byte("\n")))
		}
		var err error
		if f == nearMove || f == nearKill {
			err = os.Remove(name)
		} else {
			base, _, _ := strings.Cut(filepath.Base(name), ":2,")
			err = os.Rename(name, filepath.Join(filepath.Dir(filepath.Dir(name)), "cur", base+":2,"+it.flags))
		}
		if err != nil {
			m.Fatal(err)
		}
	}
}

func (m maildirs) read() post {
	m.Helper()
	all := post{}
	for _, name := range m.files() {
		all.add(m.peers, m.item(name))
	}
	return all
}

// files are the names of all messages, in order.
func (m maildirs) files() (names []string) {
	m.Helper()
	err := filepath.WalkDir(m.root, func(path string, d fs.DirEntry, err error) error {
		if dir := filepath.Base(filepath.Dir(path)); err == nil && d.Type().IsRegular() && (dir == "new" || dir == "cur") {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		m.Fatal(err)
	}
	return names
}

// item reads a message and what its name says.
func (m maildirs) item(name string) item {
	m.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		m.Fatal(err)
	}
	mailbox, err := filepath.Rel(m.root, filepath.Dir(filepath.Dir(name)))
	if err != nil {
		m.Fatal(err)
	}
	if m.utf7 {
		mailbox = imapwire.DecodeUTF7(mailbox)
	}
	_, flags, _ := strings.Cut(filepath.Base(name), ":2,")
	return item{mailbox, flags, crlf(text)}
}
