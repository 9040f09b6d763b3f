package imapwire

import (
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"posthorn/internal/fault"
)

func TestUTF7(t *testing.T) {
	for _, test := range []struct{ wire, name string }{
		{"INBOX", "INBOX"},
		{"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"}, // RFC 3501 §5.1.3
		{"Entw&APw-rfe", "Entwürfe"},
		{"R&-D", "R&D"},
		{"&-&-", "&&"},
		{"&2D3eAA-", "😀"},
		{"&AAo-", "\n"},
		{"a&--b", "a&-b"},
		// What is not valid is kept byte for byte.
		{"&", "\uf726"},
		{"&abc", "\uf726abc"},
		{"&Jjo", "\uf726Jjo"},
		{"&Jjo!", "\uf726Jjo!"},
		{"&U,BTFw-&ZeVnLIqe-", "台北\uf726ZeVnLIqe-"}, // would be one sequence
		{"&AGE-", "\uf726AGE-"},                     // "a" needs no encoding
		{"&2D0-", "\uf7262D0-"},                     // half of a surrogate pair
		{"&U,BTFx-", "\uf726U,BTFx-"},               // bits left over
		{"&9yY-", "\uf7269yY-"},                     // the private character itself
		{"\xff\x80", "\uf7ff\uf780"},
		{"\uf726", "\uf7ef\uf79c\uf7a6"},
	} {
		if got := DecodeUTF7(test.wire); got != test.name {
			t.Errorf("DecodeUTF7(%q) = %q, want %q", test.wire, got, test.name)
		}
		if got := EncodeUTF7(test.name); got != test.wire {
			t.Errorf("EncodeUTF7(%q) = %q, want %q", test.name, got, test.wire)
		}
	}
	if got := EncodeUTF7(DecodeUTF7("Entwürfe")); got != "Entw&APw-rfe" {
		t.Errorf("raw UTF-8 is shown as %q", got)
	}
}

func FuzzUTF7(f *testing.F) {
	f.Add("&U,BTFw-/&-&ZeVnLIqe-&")
	f.Add("日\xff本&")
	f.Fuzz(func(t *testing.T, wire string) {
		name := DecodeUTF7(wire)
		if !utf8.ValidString(name) {
			t.Errorf("DecodeUTF7(%q) = %q is not UTF-8", wire, name)
		}
		shown := EncodeUTF7(name)
		if again := DecodeUTF7(shown); again != name {
			t.Errorf("%q is shown as %q, which is %q, not %q", wire, shown, again, name)
		}
		if strings.IndexFunc(wire, func(r rune) bool { return r < 0x20 || r >= 0x7f }) < 0 && shown != wire {
			t.Errorf("%q is shown as %q", wire, shown)
		}
	})
}

func TestAppendStringUTF8(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", `""`},
		{`a "b" \ c`, `"a \"b\" \\ c"`},
		{"台北", `"台北"`},
		{"台\r北", "{7}\r\n台\r北"},
		{"\xff", "{1}\r\n\xff"},
	} {
		if got := string(AppendStringUTF8(nil, test.in)); got != test.want {
			t.Errorf("AppendStringUTF8(%q) = %q", test.in, got)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, test := range []struct{ in, str, nstr, astr string }{
		{"", `""`, `NIL`, `""`},
		{"abc", `"abc"`, `"abc"`, `abc`},
		{"nil", `"nil"`, `"nil"`, `"nil"`},
		{`a"b\c`, `"a\"b\\c"`, `"a\"b\\c"`, `"a\"b\\c"`},
		{"two words\t", "\"two words\t\"", "\"two words\t\"", "\"two words\t\""},
		{"a\r\nb", "{4}\r\na\r\nb", "{4}\r\na\r\nb", "{4}\r\na\r\nb"},
		{"ü", "{2}\r\nü", "{2}\r\nü", "{2}\r\nü"},
		{"a\x00\"b", "{4}\r\na\x80\"b", "{4}\r\na\x80\"b", "{4}\r\na\x80\"b"},
	} {
		if got := string(AppendString(nil, test.in)); got != test.str {
			t.Errorf("AppendString(%q) = %q", test.in, got)
		}
		if got := string(AppendNString(nil, []byte(test.in))); got != test.nstr {
			t.Errorf("AppendNString(%q) = %q", test.in, got)
		}
		if got := string(AppendAString(nil, test.in)); got != test.astr {
			t.Errorf("AppendAString(%q) = %q", test.in, got)
		}
	}
	if got := string(AppendString(nil, strings.Repeat("x", 1001))); !strings.HasPrefix(got, "{1001}\r\nxx") {
		t.Errorf("a long string is sent as %.20q", got)
	}
}

func TestInternalDate(t *testing.T) {
	zone := func(seconds int) *time.Location { return time.FixedZone("", seconds) }
	for _, test := range []struct {
		t    time.Time
		want string
	}{
		{time.Date(1996, 7, 17, 2, 44, 25, 0, zone(-7*3600)), `"17-Jul-1996 02:44:25 -0700"`},
		{time.Date(2026, 2, 3, 4, 5, 6, 0, zone(5*3600+1800)), `" 3-Feb-2026 04:05:06 +0530"`},
		{time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC), `" 1-Jan-1970 00:00:00 +0000"`},
		{time.Time{}, `" 1-Jan-0001 00:00:00 +0000"`},
		{time.Date(0, 1, 1, 0, 0, 0, 0, zone(-1800)), `" 1-Jan-0000 00:00:00 -0030"`},
		{time.Date(2000, 1, 1, 0, 0, 0, 0, zone(3601)), `"31-Dec-1999 22:59:59 +0000"`},
		{time.Date(2000, 1, 5, 0, 0, 0, 0, zone(100*3600)), `"31-Dec-1999 20:00:00 +0000"`},
	} {
		if got := string(AppendInternalDate(nil, test.t)); got != test.want {
			t.Errorf("%v is written as %s, want %s", test.t, got, test.want)
		}
	}
}

func TestResolve(t *testing.T) {
	for _, test := range []struct {
		set  string
		last uint32
		want string
	}{
		{"1:*", 5, "1:5"},
		{"*", 5, "5"},
		{"9:*", 5, "5:9"},
		{"*:2", 5, "2:5"},
		{"4:2,7,1:3,6", 9, "1:4,6:7"},
		{"1:*,3", 0, "3"},
		{"*", 0, ""},
		{"4294967295,1:4294967295", 9, "1:4294967295"},
	} {
		d := NewDecoder(newText(test.set+"\n"), 0)
		var set NumSet
		if d.Next() != nil || !d.NumSet(&set) {
			t.Fatal(d.Err())
		}
		if got := string(AppendRanges(nil, set.Resolve(test.last))); got != test.want {
			t.Errorf("%s of %d is %q, want %q", test.set, test.last, got, test.want)
		}
	}
}

func TestAppendNums(t *testing.T) {
	for _, test := range []struct {
		nums []uint32
		want string
	}{{nil, ""}, {[]uint32{7}, "7"}, {[]uint32{1, 2, 3, 5, 7, 8}, "1:3,5,7:8"}, {[]uint32{3, 2, 1}, "3,2,1"}} {
		if got := string(AppendNums(nil, test.nums)); got != test.want {
			t.Errorf("%v is written as %q, want %q", test.nums, got, test.want)
		}
	}
}

// After any error the next command must be found, with literals the client sends
// without being asked left out.
func TestSkipRest(t *testing.T) {
	for _, bad := range []string{
		"t FETCH x UID\r\n",
		"t LOGIN x {5+}\r\nNOOP\n {3+}\r\nabc more\r\n",
		"t LOGIN ( {5+}\r\n12345 {0+}\r\n\r\n",
		"t LOGIN ( {5}\r\n",
		"t LOGIN x {500+}\r\n" + strings.Repeat("x", 500) + "\r\n",
		"t LOGIN x {500}\r\n",
		"t LOGIN {3+}\r\na\x00b {3+}\r\nabc\r\n",
		"t LOGIN {3+}\r\nabc(\r\n",
		"t APPEND INBOX (\\Seen) x {3+}\r\nabc\r\n",
		"t APPEND INBOX {3+}\r\nabc (\\Seen) x {3+}\r\nabc (\\Seen) {2+}\r\nab\r\n",
	} {
		d := NewDecoder(newText(bad+"u NOOP\r\n"), 100)
		if _, err := reparse(d); err == nil {
			t.Errorf("%q is accepted", bad)
		}
		if err := d.SkipRest(); err != nil {
			t.Errorf("%q: %v", bad, err)
		}
		if got, err := reparse(d); got != "u NOOP" {
			t.Errorf("after %q comes %q, %v", bad, got, err)
		}
	}
}

func TestErrorKinds(t *testing.T) {
	for command, kind := range map[string]fault.Kind{
		"t FETCH x UID\r\n":                                      fault.Invalid,
		"t LOGIN x {500}\r\n":                                    fault.TooLarge,
		"t SEARCH " + strings.Repeat("(", 60) + "\r\n":           fault.Limit,
		"t SEARCH" + strings.Repeat(" ALL", 1001) + "\r\n":       fault.Limit,
		"t SEARCH" + strings.Repeat(" NOT", 100) + " ALL\r\n":    fault.Limit,
		"t SEARCH TEXT" + strings.Repeat(" {0+}\r\n TEXT", 99):   fault.TooLarge,
		"t SEARCH CHARSET x OR" + strings.Repeat(" {0+}\r\n", 9): fault.Invalid,
	} {
		if _, err := reparse(NewDecoder(newText(command), 400)); !fault.Is(err, kind) {
			t.Errorf("%.40q: %v, want %v", command, err, kind)
		}
	}
}

// A failure in reading is the caller's to know, as it was.
func TestSourceFails(t *testing.T) {
	for _, command := range []string{"", "t LOGIN {5}\r\nab", "t LOGIN {5}\r\nabcde"} {
		d := NewDecoder(newText(command), 400)
		if _, err := reparse(d); err != io.ErrUnexpectedEOF {
			t.Errorf("%q: %v", command, err)
		}
	}
}

func TestCoalesceIsTheSameSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var set NumSet
		want := map[uint32]bool{}
		for range rng.IntN(8) {
			r := NumRange{1 + rng.Uint32N(30), 1 + rng.Uint32N(30)}
			set.Ranges = append(set.Ranges, r)
			for n := min(r.First, r.Last); n <= max(r.First, r.Last); n++ {
				want[n] = true
			}
		}
		got, last := 0, uint32(0)
		for _, r := range set.Resolve(30) {
			if r.First <= last+1 && last > 0 || r.Last < r.First {
				t.Fatalf("%v is resolved to %v", set, set.Resolve(30))
			}
			for n := r.First; n <= r.Last; n++ {
				if got++; !want[n] {
					t.Fatalf("%v is resolved to %v", set, set.Resolve(30))
				}
			}
			last = r.Last
		}
		if got != len(want) {
			t.Fatalf("%v is resolved to %v", set, set.Resolve(30))
		}
	}
	if !slices.Equal(Coalesce(nil), nil) {
		t.Fatal("nothing is something")
	}
}
