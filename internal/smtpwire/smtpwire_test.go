package smtpwire

import (
	"errors"
	"strings"
	"testing"

	"posthorn/internal/addr"
)

func TestParseCommand(t *testing.T) {
	for _, tc := range []struct {
		line string
		want Command
	}{
		{"QUIT\r\n", Command{QUIT, ""}},
		{"quit \t\r\n", Command{QUIT, ""}},
		{"MAIL FROM:<a@b> SIZE=1  \r\n", Command{MAIL, "FROM:<a@b> SIZE=1"}},
		{"Ehlo\tmail.example.test\r\n", Command{EHLO, "mail.example.test"}},
		{"xyzzy plugh\r\n", Command{"XYZZY", "plugh"}},
		{"\r\n", Command{}},
		{" QUIT\r\n", Command{"", "QUIT"}},
		{"\xff\xfe x\r\n", Command{"", "x"}},
		{strings.Repeat("A", 17) + "\r\n", Command{}},
	} {
		if got, err := ParseCommand([]byte(tc.line)); err != nil || got != tc.want {
			t.Errorf("ParseCommand(%q) = %+v, %v; want %+v", tc.line, got, err, tc.want)
		}
	}
	for _, line := range []string{"", "QUIT", "QUIT\n", "QUIT\r", "QU\x00IT\r\n", "NOOP\rQUIT\r\n", "NOOP\nQUIT\r\n", "QUIT\r\r\n"} {
		if got, err := ParseCommand([]byte(line)); err == nil {
			t.Errorf("ParseCommand(%q) = %+v, want an error", line, got)
		}
	}
}

func TestParseMail(t *testing.T) {
	alice := addr.Address{Local: "alice", Domain: "example.test"}
	for _, tc := range []struct {
		args   string
		from   addr.Address
		params string // rendered
	}{
		{"FROM:<>", addr.Address{}, ""},
		{"from: <alice@example.test>", alice, ""},
		{"FROM:alice@example.test SIZE=100", alice, "SIZE=100"},
		{"FROM:<alice@example.test> SIZE=100 body=8BITMIME SMTPUTF8", alice, "SIZE=100 BODY=8BITMIME SMTPUTF8="},
		{"FROM:<@a.test,@b.test:alice@example.test>", alice, ""},
		{"FROM:<@[IPv6:::1]:alice@example.test>", alice, ""},
		{`FROM:<"a > b"@example.test> AUTH=<>`, addr.Address{Local: "a > b", Domain: "example.test"}, "AUTH=<>"},
		{"FROM:<> ENVID=a+2Bb", addr.Address{}, "ENVID=a+2Bb"},
	} {
		from, params, err := ParseMail(tc.args)
		var words []string
		for _, p := range params {
			words = append(words, p.Keyword+"="+p.Value)
		}
		if err != nil || from != tc.from || strings.Join(words, " ") != tc.params {
			t.Errorf("ParseMail(%q) = %+v, %q, %v", tc.args, from, words, err)
		}
	}
	refuse(t, ParseMail, map[string]EnhancedCode{
		"": badArguments, "FROM <a@b>": badArguments, "TO:<a@b>": badArguments,
		"FROM:": badSender, "FROM:<": badSender, "FROM:<a>": badSender, "FROM:<a@b": badSender, "FROM:<a@b>x": badSender,
		"FROM:<<a@b>>": badSender, "FROM:<a@b c@d>": badSender, "FROM:a@b>": badSender, "FROM:<@:a@b>": badSender,
		"FROM:<@a@b>": badSender, "FROM:<@a,b:c@d>": badSender, "FROM:<@a,": badSender, "FROM:<@[::1:a@b>": badSender,
		"FROM:<a@b> =x": badArguments, "FROM:<a@b> SIZE=": badArguments, "FROM:<a@b> SIZE=1 size=2": badArguments,
		"FROM:<a@b> -X=1": badArguments, "FROM:<> X=\x01": badArguments,
		"FROM:<a@b>" + strings.Repeat(" A=1", 40): badArguments,
	})
}

func TestParseRcpt(t *testing.T) {
	for args, want := range map[string]addr.Address{
		"TO:<bob@example.test>":                 {Local: "bob", Domain: "example.test"},
		"TO:<Postmaster>":                       {Local: "postmaster"},
		"to: bob@[192.0.2.1]":                   {Local: "bob", Domain: "[192.0.2.1]"},
		"TO:<@x:bob@example.test> NOTIFY=NEVER": {Local: "bob", Domain: "example.test"},
	} {
		if to, _, err := ParseRcpt(args); err != nil || to != want {
			t.Errorf("ParseRcpt(%q) = %+v, %v", args, to, err)
		}
	}
	refuse(t, ParseRcpt, map[string]EnhancedCode{
		"": badArguments, "FROM:<a@b>": badArguments, "TO:<>": badRecipient, "TO:": badRecipient, "TO:<bob>": badRecipient,
		"TO:<a@b>,<c@d>": badRecipient, "TO:<postmaster> X=": badArguments,
	})
}

func refuse(t *testing.T, parse func(string) (addr.Address, Params, error), lines map[string]EnhancedCode) {
	t.Helper()
	for args, want := range lines {
		var syntax *SyntaxError
		if a, _, err := parse(args); !errors.As(err, &syntax) || syntax.Enhanced != want || syntax.Reply().Code != 501 {
			t.Errorf("parse(%q) = %+v, %v; want a syntax error %v", args, a, err, want)
		}
	}
}

func TestReply(t *testing.T) {
	long := strings.Repeat("word ", 200)
	for _, tc := range []struct {
		reply Reply
		want  string
	}{
		{NewReply(250, EnhancedCode{2, 1, 0}, "Sender OK"), "250 2.1.0 Sender OK\r\n"},
		{NewReply(250, EnhancedCode{}, "mail.example.test", "SIZE 10", "HELP"), "250-mail.example.test\r\n250-SIZE 10\r\n250 HELP\r\n"},
		{NewReply(550, EnhancedCode{5, 1, 1}, "a", "b"), "550-5.1.1 a\r\n550 5.1.1 b\r\n"},
		{NewReply(500, EnhancedCode{5, 5, 2}, "What is \"X\r\n250 OK\"?"), "500 5.5.2 What is \"X??250 OK\"?\r\n"},
		{NewReply(550, EnhancedCode{5, 1, 1}, "<jörg@例.test>: no"), "550 5.1.1 <j\\x{F6}rg@\\x{4F8B}.test>: no\r\n"},
		{Reply{}, ""},
	} {
		if got := string(tc.reply.Append(nil)); got != tc.want {
			t.Errorf("%+v is rendered %q, want %q", tc.reply, got, tc.want)
		}
	}
	for _, text := range []string{long, strings.Repeat("x", 2000)} {
		got := string(NewReply(250, EnhancedCode{2, 100, 100}, text).Append(nil))
		var back strings.Builder
		lines := strings.SplitAfter(got, "\r\n")
		for i, line := range lines[:len(lines)-1] {
			if len(line) > 512 || (line[3] == ' ') != (i == len(lines)-2) {
				t.Errorf("line of %d bytes: %q", len(line), line)
			}
			back.WriteString(strings.TrimSuffix(line[len("250-2.100.100 "):], "\r\n"))
		}
		if strings.ReplaceAll(back.String(), " ", "") != strings.ReplaceAll(text, " ", "") {
			t.Errorf("%.20q does not come back", text)
		}
	}
	if got := NewReply(452, EnhancedCode{4, 2, 2}, "a", "b").String(); got != "452 4.2.2 a b" {
		t.Errorf("String() = %q", got)
	}
}

func TestXtext(t *testing.T) {
	if got := EncodeXtext("a+b=c d\xff"); got != "a+2Bb+3Dc+20d+FF" {
		t.Errorf("EncodeXtext = %q", got)
	}
	for _, in := range []string{"+", "+1", "+G0", "a b", "a=b", "\x7f", "+0x"} {
		if got, err := DecodeXtext(in); err == nil {
			t.Errorf("DecodeXtext(%q) = %q, want an error", in, got)
		}
	}
}

func FuzzXtext(f *testing.F) {
	f.Add("a+b=c d")
	f.Fuzz(func(t *testing.T, s string) {
		if back, err := DecodeXtext(EncodeXtext(s)); err != nil || back != s {
			t.Fatalf("%q comes back as %q, %v", s, back, err)
		}
		_, _ = DecodeXtext(s)
	})
}

// No line makes the parsers panic, and what they accept can be said again.
func FuzzCommand(f *testing.F) {
	f.Add([]byte("MAIL FROM:<@a,@[IPv6:::1]:\"a b\"@example.test> SIZE=1 BODY=8BITMIME\r\n"))
	f.Add([]byte("RCPT TO:<postmaster>\r\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		cmd, err := ParseCommand(line)
		if err != nil {
			return
		}
		if from, _, err := ParseMail(cmd.Args); err == nil {
			if again, _, err := ParseMail("FROM:<" + from.String() + ">"); err != nil || again != from {
				t.Fatalf("%q: %+v comes back as %+v, %v", line, from, again, err)
			}
		}
		if to, _, err := ParseRcpt(cmd.Args); err == nil {
			if again, _, err := ParseRcpt("TO:<" + to.String() + ">"); err != nil || again != to {
				t.Fatalf("%q: %+v comes back as %+v, %v", line, to, again, err)
			}
		}
	})
}
