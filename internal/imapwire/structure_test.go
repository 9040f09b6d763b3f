package imapwire

import (
	"strings"
	"testing"

	"posthorn/internal/message"
)

func text4(lines int64) *message.Part {
	return &message.Part{Type: "TEXT", Subtype: "PLAIN", Params: []message.Param{{Name: "CHARSET", Value: "US-ASCII"}}, BodyStart: 100, End: 3128, Lines: lines}
}

func TestEnvelope(t *testing.T) {
	terry := message.Address{Name: "Terry Gray", Mailbox: "gray", Host: "cac.washington.edu"}
	e := &message.Envelope{
		Date: "Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", Subject: "IMAP4rev1 WG mtg summary and minutes",
		From: []message.Address{terry},
		To:   []message.Address{{Mailbox: "imap", Host: "cac.washington.edu"}},
		Cc: []message.Address{
			{Mailbox: "Undisclosed \"people\""},
			{Route: "@a,@b", Mailbox: "minutes", Host: "CNRI.Reston.VA.US"},
			{},
			{Name: "Jöhn", Mailbox: "KLENSIN", Host: "MIT.EDU"},
		},
		MessageID: "<B27397-0100000@cac.washington.edu>",
	}
	gray := `(("Terry Gray" NIL "gray" "cac.washington.edu"))`
	want := `("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" ` +
		gray + " " + gray + " " + gray + ` ((NIL NIL "imap" "cac.washington.edu")) ` +
		`((NIL NIL "Undisclosed \"people\"" NIL)(NIL "@a,@b" "minutes" "CNRI.Reston.VA.US")(NIL NIL NIL NIL)` +
		"({5}\r\nJöhn NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \"<B27397-0100000@cac.washington.edu>\")"
	if got := string(AppendEnvelope(nil, e)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := string(AppendEnvelope(nil, nil)); got != "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" {
		t.Errorf("no envelope is %s", got)
	}
}

const plain4 = `("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7bit" 3028 4`

func TestBodyStructure(t *testing.T) {
	for _, test := range []struct {
		name       string
		part       *message.Part
		body, more string // BODY, and what BODYSTRUCTURE has besides
	}{
		{"text", text4(4), plain4 + `)`, plain4 + ` NIL NIL NIL NIL)`},
		{
			"attachment", &message.Part{
				Type: "application", Subtype: "pdf", ID: "<1@x>", Description: "a (b", Encoding: "BASE64", End: 10, MD5: "Q2hl", Location: "http://x/",
				Disposition: "attachment", Language: []string{"en", "zh"},
				DispositionParams: []message.Param{{Name: "filename", Value: "中 a.pdf"}, {Name: "size", Value: `1"0`}},
			},
			`("application" "pdf" NIL "<1@x>" "a (b" "BASE64" 10)`,
			`("application" "pdf" NIL "<1@x>" "a (b" "BASE64" 10 "Q2hl" ("attachment" ("filename*" "utf-8''%E4%B8%AD%20a.pdf" "size" "1\"0")) ("en" "zh") "http://x/")`,
		},
		{
			"multipart", &message.Part{Type: "Multipart", Subtype: "MIXED", Params: []message.Param{{Name: "boundary", Value: "--x"}}, Parts: []*message.Part{text4(4), text4(4)}},
			`(` + plain4 + `)` + plain4 + `) "MIXED")`,
			`(` + plain4 + ` NIL NIL NIL NIL)` + plain4 + ` NIL NIL NIL NIL) "MIXED" ("boundary" "--x") NIL NIL NIL)`,
		},
		{
			"multipart without parts", &message.Part{Type: "multipart", Subtype: "mixed"},
			`(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) "mixed")`,
			`(` + emptyPart + ` "mixed" NIL NIL NIL NIL)`,
		},
		{
			"embedded", &message.Part{Type: "message", Subtype: "RFC822", End: 9, Lines: 3, Language: []string{"de"}, Parts: []*message.Part{text4(4)}},
			`("message" "RFC822" NIL NIL NIL "7bit" 9 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ` + plain4 + `) 3)`,
			`("message" "RFC822" NIL NIL NIL "7bit" 9 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ` + plain4 + ` NIL NIL NIL NIL) 3 NIL NIL "de" NIL)`,
		},
		{
			"embedded without message", &message.Part{Type: "message", Subtype: "rfc822", Encoding: "base64", End: 9, Lines: 3},
			`("message" "rfc822" NIL NIL NIL "base64" 9 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) 3)`,
			`("message" "rfc822" NIL NIL NIL "base64" 9 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ` + emptyPart + ` 3 NIL NIL NIL NIL)`,
		},
		{
			"odd bytes", &message.Part{Type: "x(", Subtype: "\x00ü", Description: "a) {5}\r\n (", Params: []message.Param{{Name: "n*", Value: "ü"}, {Name: "a b", Value: "\r"}}},
			"(\"x(\" {3}\r\n\x80ü (\"n*\" {2}\r\nü \"a b*\" \"utf-8''%0D\") NIL {10}\r\na) {5}\r\n ( \"7bit\" 0)",
			"(\"x(\" {3}\r\n\x80ü (\"n*\" {2}\r\nü \"a b*\" \"utf-8''%0D\") NIL {10}\r\na) {5}\r\n ( \"7bit\" 0 NIL NIL NIL NIL)",
		},
	} {
		got := AppendBodyStructure(nil, test.part)
		if string(got) != test.more {
			t.Errorf("%s: BODYSTRUCTURE is\n%s\nwant\n%s", test.name, got, test.more)
		}
		if body := BodyFromStructure(nil, got); string(body) != test.body {
			t.Errorf("%s: BODY is\n%s\nwant\n%s", test.name, body, test.body)
		}
	}
}

// FuzzBodyStructure: whatever a message is, both forms are well-formed, and whatever
// BodyFromStructure is given, it ends.
func FuzzBodyStructure(f *testing.F) {
	f.Add("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: a\r\n\r\nb\r\n--x--\r\n")
	f.Add("Content-Type: text/plain; name=\"\x00ü\"\r\nFrom: \"(\" <a@b>\r\n\r\n")
	f.Add(`(("text" "plain" NIL NIL NIL "7bit" 0 0)(`)
	f.Fuzz(func(t *testing.T, text string) {
		BodyFromStructure(nil, []byte(text))
		s := message.NewScanner()
		s.Write([]byte(text))
		root := s.Finish().Root
		full := AppendBodyStructure(nil, root)
		for what, b := range map[string][]byte{
			"BODYSTRUCTURE": full, "BODY": BodyFromStructure(nil, full), "ENVELOPE": AppendEnvelope(nil, root.Envelope),
		} {
			if n := valueLength(b); n != len(b) || b[0] != '(' || strings.Contains(string(b), "\x00") {
				t.Errorf("%s of %q is %q", what, text, b)
			}
		}
	})
}
