package imapwire

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// text is a Source of commands in memory.
type text struct {
	r       *bufio.Reader
	greeted []string // what was said to ask for literals
}

func newText(s string) *text { return &text{r: bufio.NewReader(strings.NewReader(s))} }

func (t *text) Line() ([]byte, error) {
	line, err := t.r.ReadBytes('\n')
	if err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

func (t *text) Literal(n int64, nonSync bool) (io.Reader, error) {
	if !nonSync {
		t.greeted = append(t.greeted, "+")
	}
	return io.LimitReader(t.r, n), nil
}

// grammar is every command's arguments: decoded, and written again.
var grammar = map[string]func(d *Decoder) []byte{
	"FETCH": func(d *Decoder) (b []byte) {
		var set NumSet
		var o FetchOptions
		if d.SP() && d.NumSet(&set) && d.SP() && d.Fetch(&o) {
			b = AppendFetch(append(AppendNumSet(append(b, ' '), set), ' '), &o)
		}
		return b
	},
	"STORE": func(d *Decoder) (b []byte) {
		var set NumSet
		var o StoreOptions
		if d.SP() && d.NumSet(&set) && d.SP() && d.Store(&o) {
			b = AppendStore(append(AppendNumSet(append(b, ' '), set), ' '), &o)
		}
		return b
	},
	"SEARCH": func(d *Decoder) (b []byte) {
		var o SearchOptions
		if d.SP() && d.Search(&o) {
			b = AppendSearch(append(b, ' '), &o)
		}
		return b
	},
	"SORT": func(d *Decoder) (b []byte) {
		var criteria []SortCriterion
		var o SearchOptions
		if d.SP() && d.Sort(&criteria, &o) {
			b = AppendSort(append(b, ' '), criteria, &o)
		}
		return b
	},
	"ESEARCH": func(d *Decoder) (b []byte) {
		var in []NotifyGroup
		var o SearchOptions
		if d.SP() && d.MultiSearch(&in, &o, d.Mailbox) {
			b = AppendMultiSearch(append(b, ' '), in, &o)
		}
		return b
	},
	"THREAD": func(d *Decoder) (b []byte) {
		var algorithm string
		var o SearchOptions
		if d.SP() && d.Thread(&algorithm, &o) {
			b = AppendThread(append(b, ' '), algorithm, &o)
		}
		return b
	},
	"LIST": func(d *Decoder) (b []byte) {
		var o ListOptions
		if d.SP() && d.ListCommand(&o) {
			b = AppendList(append(b, ' '), &o)
		}
		return b
	},
	"LSUB": func(d *Decoder) (b []byte) {
		var o ListOptions
		if d.SP() && d.LSub(&o) {
			b = AppendList(append(b, ' '), &o)
		}
		return b
	},
	"NOTIFY": func(d *Decoder) (b []byte) {
		var o NotifyOptions
		if d.SP() && d.Notify(&o, d.Mailbox) {
			b = AppendNotify(append(b, ' '), &o)
		}
		return b
	},
	"STATUS": func(d *Decoder) (b []byte) {
		var name string
		var items StatusItems
		if d.SP() && d.Mailbox(&name) && d.SP() && d.Status(&items) {
			b = AppendStatusItems(append(AppendMailbox(append(b, ' '), name), ' '), items)
		}
		return b
	},
	"SELECT": func(d *Decoder) (b []byte) {
		var name string
		var o SelectOptions
		if d.SP() && d.Mailbox(&name) && d.Select(&o) {
			b = AppendSelect(AppendMailbox(append(b, ' '), name), &o)
		}
		return b
	},
	"GETMETADATA": func(d *Decoder) (b []byte) {
		var g GetMetadata
		if d.SP() && d.GetMetadata(&g, d.Mailbox) {
			b = AppendGetMetadata(append(b, ' '), &g)
		}
		return b
	},
	"SETMETADATA": func(d *Decoder) (b []byte) {
		var name string
		var entries []Metadata
		if d.SP() && d.Mailbox(&name) && d.SP() && d.SetMetadata(&entries) {
			b = AppendMetadata(append(AppendMailbox(append(b, ' '), name), ' '), entries)
		}
		return b
	},
	"SETQUOTA": func(d *Decoder) (b []byte) {
		var root string
		var limits []QuotaLimit
		if d.SP() && d.AString(&root) && d.SP() && d.QuotaLimits(&limits) {
			b = AppendQuotaLimits(append(AppendAString(append(b, ' '), root), ' '), limits)
		}
		return b
	},
	"CREATE": func(d *Decoder) (b []byte) {
		var name string
		var use []string
		if d.SP() && d.Mailbox(&name) && d.Create(&use) {
			if b = AppendMailbox(append(b, ' '), name); use != nil {
				b = append(AppendFlags(append(b, " (USE "...), use), ')')
			}
		}
		return b
	},
	"APPEND": func(d *Decoder) (b []byte) {
		var name string
		if !d.SP() || !d.Mailbox(&name) {
			return nil
		}
		b = AppendMailbox(append(b, ' '), name)
		var m AppendMessage
		for more := true; more; more = d.AppendMore(&m) {
			if !d.AppendMessage(&m) {
				return nil
			}
			if m.Catenate {
				b = catenated(d, AppendAppendMessage(b, &m))
				continue
			}
			body, ok := d.Body(m.Literal)
			if !ok {
				return nil
			}
			b = AppendAppendMessage(b, &m)
			data, _ := io.ReadAll(body)
			if b = append(b, data...); m.UTF8 {
				b = append(b, ')')
			}
		}
		return b
	},
	"GENURLAUTH": func(d *Decoder) (b []byte) {
		var urls []URLRump
		if d.GenURLAuth(&urls) {
			for _, u := range urls {
				b = append(append(AppendAString(append(b, ' '), u.URL), ' '), u.Mechanism...)
			}
		}
		return b
	},
	"RESETKEY": func(d *Decoder) (b []byte) {
		var name string
		var mechanisms []string
		if d.ResetKey(&name, &mechanisms, d.Mailbox) && name != "" {
			b = AppendMailbox(append(b, ' '), name)
			for _, m := range mechanisms {
				b = append(append(b, ' '), m...)
			}
		}
		return b
	},
	"URLFETCH": func(d *Decoder) (b []byte) {
		var urls []URLFetch
		if d.URLFetch(&urls) {
			for _, u := range urls {
				b = AppendURLFetch(append(b, ' '), &u)
			}
		}
		return b
	},
	"LOGIN": func(d *Decoder) (b []byte) {
		var user, password string
		if d.SP() && d.AString(&user) && d.SP() && d.AString(&password) {
			b = AppendAString(append(AppendAString(append(b, ' '), user), ' '), password)
		}
		return b
	},
	"AUTHENTICATE": func(d *Decoder) (b []byte) {
		var mechanism string
		var initial string
		if d.SP() && d.Atom(&mechanism) && d.InitialResponse(&initial) {
			if b = append(b, " "+mechanism...); initial != "" {
				b = append(b, " "+initial...)
			}
		}
		return b
	},
	"ENABLE": func(d *Decoder) (b []byte) {
		var names []string
		if d.Enable(&names) {
			b = append(b, " "+strings.Join(names, " ")...)
		}
		return b
	},
	"ID": func(d *Decoder) (b []byte) {
		var pairs []Pair
		if d.SP() && d.ID(&pairs) {
			b = AppendID(append(b, ' '), pairs)
		}
		return b
	},
	"NOOP": func(*Decoder) []byte { return nil },
}

// catenated decodes the parts of a CATENATE, and writes them again.
func catenated(d *Decoder, b []byte) []byte {
	var p CatenatePart
	first := true
	for more := true; more; more = d.CatenateMore(&p) {
		if !d.CatenatePart(&p) {
			return nil
		}
		b = AppendCatenatePart(b, &p, first)
		first = false
		if p.URL != "" {
			continue
		}
		body, ok := d.Body(p.Literal)
		if !ok {
			return nil
		}
		data, _ := io.ReadAll(body)
		if b = append(b, data...); p.UTF8 {
			b = append(b, ')')
		}
	}
	return append(b, ')')
}

// reparse decodes the next command and writes it again.
func reparse(d *Decoder) (string, error) {
	if err := d.Next(); err != nil {
		return "", err
	}
	var tag string
	var name []byte
	if !d.Tag(&tag) || !d.SP() || !d.Command(&name) {
		return "", d.Err()
	}
	arguments, ok := grammar[string(name)]
	if !ok {
		return "", errors.New("no such command")
	}
	written := tag + " " + string(name)
	written += string(arguments(d))
	if !d.End() {
		return "", d.Err()
	}
	return written, nil
}

// TestCommands goes through testdata/commands.txt: lines "C: command" (↵ for CRLF)
// with what the command is when written again, or the error.
func TestCommands(t *testing.T) {
	const file = "testdata/commands.txt"
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(golden), "\n"), "\n")
	var out []string
	for i := 0; i < len(lines); i++ {
		out = append(out, lines[i])
		command, ok := strings.CutPrefix(lines[i], "C: ")
		if !ok {
			continue
		}
		want := ""
		if i+1 < len(lines) && (strings.HasPrefix(lines[i+1], "=> ") || strings.HasPrefix(lines[i+1], "!! ")) {
			i++
			want = lines[i]
		}
		got := describe(command)
		if got != want && !*update {
			t.Errorf("%s:%d: %s\n got %s\nwant %s", file, i+1, command, got, want)
		}
		out = append(out, got)
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func describe(command string) string {
	wire := "t " + strings.ReplaceAll(command, "↵", "\r\n") + "\r\n"
	written, err := reparse(NewDecoder(newText(wire), 1000))
	if err != nil {
		return "!! " + strings.TrimPrefix(err.Error(), "imapwire: ")
	}
	return "=> " + strings.ReplaceAll(strings.TrimPrefix(written, "t "), "\r\n", "↵")
}

// FuzzCommand: no command panics the decoder, and what was understood is understood
// in the same way when written again.
func FuzzCommand(f *testing.F) {
	golden, err := os.ReadFile("testdata/commands.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(golden)) {
		if command, ok := strings.CutPrefix(line, "C: "); ok {
			f.Add("t " + strings.ReplaceAll(strings.TrimSuffix(command, "\n"), "↵", "\r\n") + "\r\n")
		}
	}
	f.Fuzz(func(t *testing.T, wire string) {
		d := NewDecoder(newText(wire), 4096)
		written, err := reparse(d)
		if err != nil {
			d.SkipRest()
			return
		}
		again, err := reparse(NewDecoder(newText(written+"\r\n"), 1<<20))
		if err != nil || again != written {
			t.Errorf("%q\nis written as %q\nand that as   %q, %v", wire, written, again, err)
		}
	})
}

// loop gives the same line for ever.
type loop struct{ line []byte }

func (l *loop) Line() ([]byte, error)                  { return l.line, nil }
func (l *loop) Literal(int64, bool) (io.Reader, error) { return nil, io.EOF }
