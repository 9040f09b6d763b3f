// Package rfc writes doc/rfc.md from what the tree says: which package keeps which RFC's
// rules, by the citations in its comments, which transcripts show it, and what rfcs.txt
// says of its state.
//
//	go test ./test/rfc -update
package rfc

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite doc/rfc.md")

const (
	root = "../.."
	page = root + "/doc/rfc.md"
)

// use is where an RFC is cited.
type use struct {
	citations   int
	packages    map[string]bool
	transcripts map[string]bool
}

func TestPage(t *testing.T) {
	uses, err := cited()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := readRows()
	if err != nil {
		t.Fatal(err)
	}
	for number, u := range uses {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.number == number }) {
			t.Errorf("RFC %d is cited in %s and has no row in rfcs.txt", number, keys(u.packages))
		}
	}
	text := write(rows, uses)
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(page)
	if err != nil || string(old) != text {
		t.Errorf("doc/rfc.md is not what the tree says (%v): go test ./test/rfc -update", err)
	}
}

// list is one place that cites one or more RFCs: "RFC 5321", "RFC 5321 and 5322".
var list = regexp.MustCompile(`RFCs? (\d{3,5})((?:(?:, | and )\d{4})*)`)

var number = regexp.MustCompile(`\d{3,5}`)

// cited reads all comments of Go files and all transcripts.
func cited() (map[int]*use, error) {
	uses := map[int]*use{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, root+"/"))
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || name == "test/rfc" || name == "bin") {
			return fs.SkipDir
		}
		ext := filepath.Ext(path)
		if d.IsDir() || ext != ".go" && ext != ".txtar" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(data)) {
			count(uses, name, comment(line, ext))
		}
		return nil
	})
	return uses, err
}

// comment is the part of a line that is a remark.
func comment(line, ext string) string {
	mark := map[string]string{".go": "//", ".txtar": "# "}[ext]
	_, after, _ := strings.Cut(line, mark)
	return after
}

func count(uses map[int]*use, name, text string) {
	for _, place := range list.FindAllString(text, -1) {
		for _, n := range number.FindAllString(place, -1) {
			rfc, _ := strconv.Atoi(n)
			u := uses[rfc]
			if u == nil {
				u = &use{packages: map[string]bool{}, transcripts: map[string]bool{}}
				uses[rfc] = u
			}
			u.citations++
			dir := strings.TrimSuffix(filepath.ToSlash(filepath.Dir(name)), "/testdata")
			u.packages[strings.TrimPrefix(dir, "internal/")] = true
			if strings.HasSuffix(name, ".txtar") {
				u.transcripts[strings.TrimPrefix(dir, "internal/")+"/"+strings.TrimSuffix(filepath.Base(name), ".txtar")] = true
			}
		}
	}
}

// row is a line of rfcs.txt.
type row struct {
	number                int
	status, title, remark string
}

func readRows() ([]row, error) {
	data, err := os.ReadFile("rfcs.txt")
	if err != nil {
		return nil, err
	}
	offered, err := os.ReadFile(root + "/internal/imapd/capability.go")
	if err != nil {
		return nil, err
	}
	var rows []row
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "|")
		if len(f) != 4 {
			return nil, fmt.Errorf("rfcs.txt: %q has not four fields", line)
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		n, err := strconv.Atoi(f[0])
		if err != nil || len(rows) > 0 && rows[len(rows)-1].number >= n {
			return nil, fmt.Errorf("rfcs.txt: %q is no number, or out of order", f[0])
		}
		rows = append(rows, row{n, status(f[1], string(offered)), f[2], f[3]})
	}
	return rows, nil
}

// status looks up what depends on whether a capability is offered.
func status(said, offered string) string {
	if said == "IMAP4rev1" || said == "IMAP4rev2" || said == strings.ToUpper(said) {
		if strings.Contains(offered, fmt.Sprintf("{name: %q", said)) {
			return "done"
		}
		return "no"
	}
	return said
}

const head = `# RFCs

Written by ` + "`go test ./test/rfc -update`" + ` from the citations in comments and transcripts, and from ` + "`test/rfc/rfcs.txt`" + `, which says how
far each one is kept: **done**; **partly**, and what is missing; **base**: a library or a small part of ours rests on it; **no**.

| RFC | title | status | kept in | citations | transcripts |
|---|---|---|---|---|---|
`

func write(rows []row, uses map[int]*use) string {
	var b strings.Builder
	b.WriteString(head)
	for _, r := range rows {
		u := uses[r.number]
		if u == nil {
			u = &use{}
		}
		status := r.status
		if r.remark != "" {
			status += ": " + r.remark
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %d | %s |\n", r.number, r.title, status, keys(u.packages), u.citations, keys(u.transcripts))
	}
	return b.String()
}

func keys(set map[string]bool) string {
	var list []string
	for k := range set {
		list = append(list, k)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
