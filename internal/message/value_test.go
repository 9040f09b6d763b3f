package message

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"posthorn/internal/fault"
)

func TestDecodeHeader(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"empty", "", ""},
		{"plain", "Hello, world", "Hello, world"},
		{"folded", "Hello,\r\n  world \r\n", "Hello,  world"},
		{"folded with bare LF", "Hello,\n\tworld", "Hello, world"},
		{"q", "=?utf-8?q?Gr=C3=BC=C3=9Fe_an_alle?=", "Grüße an alle"},
		{"b", "=?UTF-8?B?5rWL6K+V?=", "测试"},
		{"between plain text", "a =?utf-8?q?b?= c", "a b c"},
		{"blanks between words vanish", "=?utf-8?q?a?= \t=?utf-8?q?b?=\r\n =?utf-8?q?c?=", "abc"},
		{"charsets side by side", "=?iso-8859-1?q?=E9?= =?koi8-r?b?4Q==?=", "éА"},
		{"character cut in two", "=?utf-8?b?5rU=?= =?utf-8?b?iw==?=", "测"},
		{"character cut in two, B then Q", "=?utf-8?b?5rU=?= =?UTF-8?q?=8B?=", "测"},
		{"language", "=?utf-8*de?q?=C3=BC?=", "ü"},
		{"glued together", "x=?utf-8?q?a?==?utf-8?q?b?=y", "xaby"},
		{"blank inside", "=?utf-8?q?a b?=", "a b"},
		{"question mark inside", "=?utf-8?q?Why?=3F?=", "Why??"},
		{"hexadecimal text after a word", "=?utf-8?q?a?=20", "a20"},
		{"no padding", "=?utf-8?b?YQ?=", "a"},
		{"padding, then the next", "=?utf-8?b?YQ==?==?utf-8?b?YQ==?=", "aa"},
		{"empty word", "a =?utf-8?q??= b", "a  b"},
		{"not closed", "=?utf-8?q?abc", "=?utf-8?q?abc"},
		{"not closed before the next", "=?utf-8?q?abc =?utf-8?q?def?=", "=?utf-8?q?abc def"},
		{"unknown encoding", "=?utf-8?x?abc?=", "=?utf-8?x?abc?="},
		{"unknown charset", "=?x-none?q?a=E9?=", "a\uFFFD"},
		{"no charset", "=??q?=C3=A9=E9?=", "éé"},
		{"not an escape", "=?utf-8?q?100=_=ZZ?=", "100= =ZZ"},
		{"raw UTF-8", "Grüße", "Grüße"},
		{"raw windows-1252", "Gr\xfc\xdfe \x80", "Grüße €"},
		{"raw ISO-2022-JP", "\x1b$B@8\x1b(B", "生"},
		{"hidden line end and NUL", "=?utf-8?b?YQ0KQmNjOiB4AA==?=", "a  Bcc: x "},
		{"line separators", "=?utf-8?q?a=E2=80=A8b?=", "a b"},
		{"just the marks", "=?=?=?=", "=?=?=?="},
		{"gb2312 means gb18030", "=?gb2312?b?6XJ8?=", "閞|"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := DecodeHeader(c.value); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestParseDate(t *testing.T) {
	for value, want := range map[string]string{
		"Fri, 21 Nov 1997 09:55:06 -0600": "1997-11-21T09:55:06-06:00",
		"21 Nov 97 09:55:06 GMT":          "1997-11-21T09:55:06Z",
		"21 Nov 49 09:55 EDT":             "2049-11-21T09:55:00-04:00",
		"21 Nov 50 09:55 PST":             "1950-11-21T09:55:00-08:00",
		"21 Nov 126 09:55 UT":             "2026-11-21T09:55:00Z",
		"Thu,\r\n      13\r\n        Feb\r\n 1969\r\n 23:32 -0330 (x)": "1969-02-13T23:32:00-03:30",
		"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600":              "1997-11-21T09:55:06-06:00",
		"Fri, 21 Nov 1997 09:55:06 A":                                  "1997-11-21T09:55:06Z",
		"Fri, 21 Nov 1997 09:55:06":                                    "1997-11-21T09:55:06Z",
		"Fri, 21 Nov 1997 09:55:06 GMT+0200":                           "1997-11-21T09:55:06+02:00",
		"Fri, 21 Nov 1997 09:55:06 +05:30":                             "1997-11-21T09:55:06+05:30",
		"Fri, 21 Nov 1997 09:55:06 +2":                                 "1997-11-21T09:55:06+02:00",
		"Fri, 21 Nov 1997 09:55:06 +9999":                              "1997-11-21T09:55:06Z",
		"Fri, 21 Nov 1997 09.55.06 +0100":                              "1997-11-21T09:55:06+01:00",
		"Fri, 21-Nov-1997 09:55:06 +0100":                              "1997-11-21T09:55:06+01:00",
		"Fri Nov 21 09:55:06 1997":                                     "1997-11-21T09:55:06Z",
		"Fri Nov 21 09:55:06 EST 1997":                                 "1997-11-21T09:55:06-05:00",
		"Fri Nov  1 09:55:06 1997 +0100":                               "1997-11-01T09:55:06+01:00",
		"1997-11-21T09:55:06Z":                                         "1997-11-21T09:55:06Z",
		"1997-11-21 09:55:06.123+01:00":                                "1997-11-21T09:55:06+01:00",
		"vendredi, 21 November 1997, 9:55":                             "1997-11-21T09:55:00Z",
		"31 Dec 2016 23:59:60 +0000":                                   "2017-01-01T00:00:00Z",
		"1 Jan 2026":                                                   "2026-01-01T00:00:00Z",
	} {
		got, err := ParseDate(value)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q is %s (%v), want %s", value, got.Format(time.RFC3339), err, want)
		}
	}
	for _, value := range []string{"", "yesterday", "21 Nov", "Nov 1997", "32 Jan 2026 10:00", "(21 Nov 1997)", "21 Foo 1997", ":::", "99999999999999999999"} {
		if got, err := ParseDate(value); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("%q is %s, %v", value, got, err)
		}
	}
}

func TestParseAddressList(t *testing.T) {
	group := func(name string) Address { return Address{Mailbox: name} }
	for value, want := range map[string][]Address{
		"":                                   nil,
		" , ;, ":                             nil,
		"a@b":                                {{"", "", "a", "b"}},
		"<a@b>":                              {{"", "", "a", "b"}},
		"N <a@b>":                            {{"N", "", "a", "b"}},
		"N<a@b>":                             {{"N", "", "a", "b"}},
		"a@b (N (n))":                        {{"N (n)", "", "a", "b"}},
		"(c) a@b":                            {{"c", "", "a", "b"}},
		"<a@b> (N)":                          {{"N", "", "a", "b"}},
		`"N, M" <a@b>, c@d`:                  {{"N, M", "", "a", "b"}, {"", "", "c", "d"}},
		`"N \"M\"" <a@b>`:                    {{`N "M"`, "", "a", "b"}},
		`N "M" O <a@b>`:                      {{"N M O", "", "a", "b"}},
		`"a b"@c`:                            {{"", "", "a b", "c"}},
		`"a@x"@c`:                            {{"", "", "a@x", "c"}},
		`<"a>,b"@c>`:                         {{"", "", "a>,b", "c"}},
		"a@[IPv6:::1], b@c":                  {{"", "", "a", "[IPv6:::1]"}, {"", "", "b", "c"}},
		"a . b @ c . d":                      {{"", "", "a.b", "c.d"}},
		"a(x)@b(y)":                          {{"x", "", "a", "b"}},
		"N <@r:a@b>":                         {{"N", "@r", "a", "b"}},
		"a@b c@d":                            {{"", "", "a", "b"}, {"", "", "c", "d"}},
		"a@b; c@d;":                          {{"", "", "a", "b"}, {"", "", "c", "d"}},
		"N <a@b> M <c@d>":                    {{"N", "", "a", "b"}, {"M", "", "c", "d"}},
		"N a@b":                              {{"N", "", "a", "b"}},
		"a@b@c":                              {{"", "", "a@b", "c"}},
		"<a@b":                               {{"", "", "a", "b"}},
		"<a@b, c@d":                          {{"", "", "a", "b"}, {"", "", "c", "d"}},
		"<<a@b>>":                            {{"", "", "a", "b"}},
		"root":                               {{"", "", "root", MissingDomain}},
		"root (The Root)":                    {{"The Root", "", "root", MissingDomain}},
		"John Doe":                           {{"John Doe", "", MissingMailbox, MissingDomain}},
		"<>":                                 {{"", "", MissingMailbox, MissingDomain}},
		"a@":                                 {{"", "", "a", MissingDomain}},
		"@b":                                 {{"", "", MissingMailbox, "b"}},
		"G:;":                                {group("G"), {}},
		"G: a@b, N <c@d>; e@f":               {group("G"), {"", "", "a", "b"}, {"N", "", "c", "d"}, {}, {"", "", "e", "f"}},
		"G: a@b":                             {group("G"), {"", "", "a", "b"}, {}},
		`"G, H": a@b;`:                       {group("G, H"), {"", "", "a", "b"}, {}},
		": a@b":                              {{":", "", "a", "b"}},
		"a@b:25, c@d":                        {{"", "", "a", "b:25"}, {"", "", "c", "d"}},
		"=?utf-8?q?a,b?= <c@d>":              {{"=?utf-8?q?a,b?=", "", "c", "d"}},
		"\xe9 <a@b>":                         {{"\xe9", "", "a", "b"}},
		"用户 <用户@例子.中国>":                      {{"用户", "", "用户", "例子.中国"}},
		"N\r\n <a@b>,\r\n\tc@d":              {{"N", "", "a", "b"}, {"", "", "c", "d"}},
		`"unclosed <a@b>, c@d`:               {{"unclosed", "", "a", "b"}, {"", "", "c", "d"}},
		"(unclosed a@b, c@d":                 {{"(unclosed", "", "a", "b"}, {"", "", "c", "d"}},
		"[x, <a@b>":                          {{"", "", "[x", MissingDomain}, {"", "", "a", "b"}},
		"undisclosed-recipients: ;":          {group("undisclosed-recipients"), {}},
		`a@b, "=?utf-8?q?N?=" <c@d> (later)`: {{"", "", "a", "b"}, {"=?utf-8?q?N?=", "", "c", "d"}},
	} {
		if got := ParseAddressList(value); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %+v, want %+v", value, got, want)
		}
	}
}

func TestAddressListIsBounded(t *testing.T) {
	for _, value := range []string{
		strings.Repeat("a@b,", 2*maxAddresses), strings.Repeat("a@b ", 2*maxAddresses),
		strings.Repeat("<a@b>", 2*maxAddresses), "G:" + strings.Repeat("a@b,", 2*maxAddresses),
	} {
		if n := len(ParseAddressList(value)); n < maxAddresses || n > maxAddresses+1 {
			t.Errorf("%.10q… gives %d addresses", value, n)
		}
	}
}

// hostile are values on which a careless parser takes time by the square, or
// overflows its stack. They are so long that with a square in it, the test
// would take minutes.
func hostile() []string {
	var values []string
	for _, piece := range []string{
		"(", ")", "\"", "\\\"", "\"\\\"", "<", ">", ":", ";", ",", "[", "=?", "=?a?q?", "?=", "=?=", "=?a?b?a?=", "=?a?q?b?= ",
		" ", "\t\r\n", "a", "a ", "@", "a@", "<,", "(a", "a(", " (", " (a) ", "a=", "a=b;", "a=b ", "a*0=b;", "a*=%41;", ";=", "'", "&", "&a",
		"<a ", "<a \"", "<a ='", "</", "<!--", "<style>", "=\r\n", "= ", "--\r\n", "1:", "1 ", "é", "\xff",
	} {
		values = append(values, strings.Repeat(piece, maxHeader/2/len(piece)))
	}
	return values
}

func TestHostileValues(t *testing.T) {
	for _, value := range hostile() {
		ParseAddressList(value)
		ParseAddressList("a@b" + value)
		ParseAddressList("\"" + value)
		DecodeHeader(value)
		_, _ = ParseDate(value)
		parseParamField(value)
		parseParamField("a/b; c=" + value)
		parseParamField("a/b; c=\"" + value)
		htmlText(value, maxPreview)
		decodeBody("base64", []byte(value))
		decodeBody("quoted-printable", []byte(value))
		oneLine(value, maxPreview)
		unfold(value)
	}
}

func TestFields(t *testing.T) {
	const header = "From alice Tue Mar  3\r\nSubject: a\r\n b\r\nx : y\nno field\r\n and more\r\nEmpty:\r\n:\r\nLast: z"
	var names, values []string
	var all []byte
	for f := range Fields([]byte(header)) {
		names = append(names, string(f.Name))
		values = append(values, string(f.Value))
		all = append(all, f.Raw...)
	}
	if string(all) != header {
		t.Errorf("the raw fields are %q", all)
	}
	if want := []string{"", "Subject", "x", "", "Empty", "", "Last"}; !reflect.DeepEqual(names, want) {
		t.Errorf("names are %q", names)
	}
	if want := []string{"", " a\r\n b", " y", "", "", "", " z"}; !reflect.DeepEqual(values, want) {
		t.Errorf("values are %q", values)
	}
	for range Fields([]byte("A: 1\r\n\r\nB: 2\r\n")) {
		names = names[:0] // a blank line ends the block: only one round, and breaking off works
		break
	}
	count := 0
	for range Fields([]byte("A: 1\r\n\r\nB: 2\r\n")) {
		count++
	}
	if count != 1 {
		t.Errorf("%d fields before a blank line", count)
	}
}

// fieldSeeds are starting points for the fuzz targets below.
func fieldSeeds(f *testing.F) {
	for _, s := range []string{
		"=?utf-8?q?a=C3=BC_b?= =?utf-8?b?5rWL?= c", "N <a@b>, \"x, y\" <c@d>; G: e@f;", "Fri, 21 Nov 1997 09(x):55:06 -0600",
		"text/plain; charset=\"utf-8\"; name*0*=utf-8''%e2; name*1=x", "a@[IPv6:::1] (c), <@r:x@y>", "=?iso-2022-kr?b?GyQpQw4+SDNnDw==?=",
	} {
		f.Add(s)
	}
}

func FuzzDecodeHeader(f *testing.F) {
	fieldSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		got := DecodeHeader(value)
		if !utf8.ValidString(got) {
			t.Errorf("%q gives invalid UTF-8: %q", value, got)
		}
		if strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q gives control characters: %q", value, got)
		}
	})
}

func FuzzParseAddressList(f *testing.F) {
	fieldSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		inGroup := false
		for _, a := range ParseAddressList(value) {
			switch {
			case a.Host == "" && (a.Name != "" || a.Route != "" || inGroup == (a.Mailbox != "")):
				t.Errorf("%q gives a group out of order: %+v", value, ParseAddressList(value))
			case a.Host == "":
				inGroup = !inGroup
			case a.Mailbox == "":
				t.Errorf("%q gives an address without mailbox: %+v", value, ParseAddressList(value))
			}
		}
		if inGroup {
			t.Errorf("%q gives an open group: %+v", value, ParseAddressList(value))
		}
	})
}

// An address written by the rules is read back as it was.
func FuzzAddressRoundTrip(f *testing.F) {
	f.Add("Name, of \"him\"", "local part", "example.test")
	f.Add("", "a", "b")
	f.Fuzz(func(t *testing.T, name, local, host string) {
		clean := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r < ' ' || r == 0x7f || r == utf8.RuneError {
					return -1
				}
				return r
			}, s)
		}
		name, local = strings.Trim(clean(name), " "), strings.Trim(clean(local), " ")
		host = strings.Map(func(r rune) rune {
			if r < 0x80 && !isAlpha(byte(r)) && !isDigit(byte(r)) && r != '.' && r != '-' {
				return -1
			}
			return r
		}, clean(host))
		if name == "" || local == "" || host == "" {
			return
		}
		quote := strings.NewReplacer(`"`, `\"`, `\`, `\\`)
		value := fmt.Sprintf(`"%s" <"%s"@%s>`, quote.Replace(name), quote.Replace(local), host)
		want := []Address{{name, "", local, host}}
		if got := ParseAddressList(value); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, want %+v", value, got, want)
		}
	})
}

func FuzzParseDate(f *testing.F) {
	fieldSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		date, err := ParseDate(value)
		if err != nil {
			return
		}
		if y := date.Year(); y < 0 || y > 10000 {
			t.Errorf("%q is in the year %d", value, y)
		}
		const layout = "Mon, 2 Jan 2006 15:04:05 -0700"
		again, err := ParseDate(date.Format(layout))
		if date.Year() >= 1000 && date.Year() <= 9999 && (err != nil || !again.Equal(date)) {
			t.Errorf("%q is %s, which is %s", value, date, again)
		}
	})
}

func FuzzParams(f *testing.F) {
	fieldSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		_, params := parseParamField(value)
		if len(params) > maxParams {
			t.Errorf("%d parameters", len(params))
		}
		for _, p := range params {
			if p.Name == "" {
				t.Errorf("%q gives a parameter without a name", value)
			}
			if !utf8.ValidString(p.Value) && !strings.EqualFold(p.Name, "boundary") {
				t.Errorf("%q gives %q", value, p.Value)
			}
		}
	})
}

func FuzzFields(f *testing.F) {
	f.Add([]byte("A: b\r\n c\r\nno field\n\tx\r\n\r\nrest"))
	f.Fuzz(func(t *testing.T, header []byte) {
		var all []byte
		for field := range Fields(header) {
			all = append(all, field.Raw...)
			if len(field.Name) > 0 && !bytes.HasPrefix(field.Raw, field.Name) {
				t.Errorf("field %q has the name %q", field.Raw, field.Name)
			}
		}
		if !bytes.HasPrefix(header, all) || len(all) < len(header) && !isBlankLine(header[len(all):]) {
			t.Errorf("the raw fields of %q are %q", header, all)
		}
	})
}
