package message

import (
	"strings"
	"testing"
)

func TestBaseSubject(t *testing.T) {
	for _, c := range []struct {
		subject, base string
		reply         bool
	}{
		{"", "", false},
		{"  plain \t subject  ", "plain subject", false},
		{"Re: hello", "hello", true},
		{"RE:hello", "hello", true},
		{"re : hello", "hello", true},
		{"Re[2]: hello", "hello", true},
		{"Re [2] : hello", "hello", true},
		{"Fw: hello", "hello", true},
		{"FWD: hello", "hello", true},
		{"fwd [x]: Re: re: hello", "hello", true},
		{"Fwdx: hello", "Fwdx: hello", false},
		{"Reply: hello", "Reply: hello", false},
		{"Re hello", "Re hello", false},
		{"hello (fwd)", "hello", true},
		{"hello (FWD) (fwd)  ", "hello", true},
		{"hello(fwd)", "hello", true},
		{"[list] hello", "hello", false},
		{"[list] Re: hello", "hello", true},
		{"Re: [list] [more] Re: hello", "hello", true},
		{"[a][b] [c] hello", "hello", false},
		{"[list]", "[list]", false},
		{"[a] [list]", "[list]", false},
		{"Re: [list]", "[list]", true},
		{"[Fwd: hello]", "hello", true},
		{"[fwd: Re: [list] hello (fwd)]", "hello", true},
		{"[Fwd: [Fwd: hello]]", "hello", true},
		{"[Fwd: hello", "[Fwd: hello", false},
		{"[fwd:]", "", true},
		{"Re:", "", true},
		{"Re: (fwd)", "", true},
		{"[unclosed hello", "[unclosed hello", false},
		{"[a[b] hello", "[a[b] hello", false},
		{"Re: Aw: hello", "Aw: hello", true},
		{"=?UTF-8?Q?Re=3A_caf=C3=A9?=", "café", true},
		{"=?UTF-8?Q?Re=3A?= =?UTF-8?Q?_caf=C3=A9?=", "café", true},
		{"Re:\r\n\tfolded\r\n subject", "folded subject", true},
	} {
		if base, reply := BaseSubject(c.subject); base != c.base || reply != c.reply {
			t.Errorf("%q became %q, %v, want %q, %v", c.subject, base, reply, c.base, c.reply)
		}
	}
}

// FuzzBaseSubject: what is taken off is taken off for good.
func FuzzBaseSubject(f *testing.F) {
	f.Add("Re: [list] hello (fwd)")
	f.Add(strings.Repeat("[fwd:", 1000) + strings.Repeat("]", 1000))
	f.Add(strings.Repeat("[]", 4000))
	f.Fuzz(func(t *testing.T, s string) {
		base, _ := BaseSubject(s)
		if again, _ := BaseSubject(base); again != base && !strings.Contains(base, "=?") {
			t.Errorf("%q became %q, and that %q", s, base, again)
		}
	})
}
