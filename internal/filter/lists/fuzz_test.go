package lists

import (
	"strings"
	"testing"

	"posthorn/internal/addr"
)

// Whatever a line says, it is understood or not; what is understood is found by what
// it names, and found as an entry that can be written into a file again.
func FuzzLine(f *testing.F) {
	for line := range strings.Lines(example) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		e, ok, err := parseLine(line)
		if !ok || err != nil {
			return
		}
		list := &List{}
		fl := &file{index: newIndex(), path: "deny"}
		fl.add(e, 1)
		list.files.Store(&[]*file{fl})
		var found *Entry
		switch e.kind {
		case Client:
			found = list.Client(e.network.Addr())
		case Hello:
			found = list.Hello(strings.TrimPrefix(e.name, "."))
			if strings.HasPrefix(e.name, ".") {
				found = list.Hello("x" + e.name)
			}
		default:
			found = fl.address(e.kind, witness(e.name))
		}
		if found == nil || found.Kind != e.kind || found.Reason != e.reason {
			t.Fatalf("%q is %+v, found %+v", line, e, found)
		}
		again, ok, err := parseLine(found.Kind.String() + ":" + found.Text + " " + found.Reason)
		if strings.ContainsAny(found.Text, " \t#") {
			return // what stands in quotes is one word only without these
		}
		if err != nil || !ok || again.name != e.name || again.network != e.network {
			t.Errorf("%q is found as %+v, which is %+v, %v", line, found, again, err)
		}
	})
}

// witness is an address that an entry speaks of.
func witness(name string) addr.Address {
	at := strings.LastIndexByte(name, '@')
	switch {
	case at == len(name)-1:
		return addr.Address{Local: name[:at], Domain: "example.test"}
	case at >= 0:
		return addr.Address{Local: name[:at], Domain: name[at+1:]}
	case name[0] == '.':
		return addr.Address{Local: "x", Domain: "x" + name}
	}
	return addr.Address{Local: "x", Domain: name}
}

func FuzzFile(f *testing.F) {
	f.Add(example)
	f.Fuzz(func(t *testing.T, text string) {
		fl := &file{index: newIndex(), path: "deny"}
		c := complaints{log: discard()}
		if err := fl.lines(strings.NewReader(text), &c); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(text, "\n") + 1; fl.len()+c.n > lines {
			t.Errorf("%d entries and %d mistakes in %d lines", fl.len(), c.n, lines)
		}
	})
}
