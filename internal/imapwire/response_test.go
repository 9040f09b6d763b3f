package imapwire

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// heard is what a response means, in few words.
func heard(d *Decoder) (string, error) {
	if err := d.Next(); err != nil {
		return "", err
	}
	var r Response
	if !d.Response(&r) {
		return "", d.Err()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Tag, r.Name)
	if r.Number != 0 {
		fmt.Fprintf(&b, " number=%d", r.Number)
	}
	if r.Code.Name != "" {
		fmt.Fprintf(&b, " code=%s(%s) %d %v %v", r.Code.Name, r.Code.Args, r.Code.Number, r.Code.Source.Ranges, r.Code.UID.Ranges)
	}
	if r.Words != nil {
		fmt.Fprintf(&b, " words=%q", r.Words)
	}
	if r.List.Attributes != nil || r.List.Name != "" {
		fmt.Fprintf(&b, " list=%q %q %q", r.List.Attributes, r.List.Separator, r.List.Name)
	}
	if r.Status.Name != "" {
		fmt.Fprintf(&b, " status=%q %b messages=%d", r.Status.Name, r.Status.Items, r.Status.Get(StatusMessages))
	}
	if r.Numbers != nil || r.Set.Ranges != nil {
		fmt.Fprintf(&b, " numbers=%v %v", r.Numbers, r.Set.Ranges)
	}
	if r.Earlier {
		b.WriteString(" earlier")
	}
	if r.Text != "" {
		fmt.Fprintf(&b, " text=%q", r.Text)
	}
	for more := r.MoreData; more; more = d.FetchNext() {
		var item FetchDatum
		if !d.FetchData(&item) {
			break
		}
		if item.Literal != nil {
			body, ok := d.Body(*item.Literal)
			if !ok {
				break
			}
			text, err := io.ReadAll(body)
			if err != nil {
				return "", err
			}
			item.Text = string(text)
			d.Resume()
		}
		if item.Attr == 0 {
			b.WriteString(" (passed over)")
			continue
		}
		fmt.Fprintf(&b, " (%s%s %d %q %q %v)", item.Attr, AppendSection(nil, item.Section), item.Number, item.Flags, item.Text, item.Nil)
	}
	return b.String(), d.Err()
}

var responses = []struct{ said, means string }{
	{"* OK ready", `* OK text="ready"`},
	{"* OK", `* OK`},
	{"* OK [CAPABILITY IMAP4rev1 x=y] hi", `* OK code=CAPABILITY(IMAP4rev1 x=y) 0 [] [] words=["IMAP4REV1" "X=Y"] text="hi"`},
	{"p1 NO [TRYCREATE] no such mailbox", `p1 NO code=TRYCREATE() 0 [] [] text="no such mailbox"`},
	{`p1 NO [BADURL "a]b\"]"] x`, `p1 NO code=BADURL("a]b\"]") 0 [] [] text="x"`},
	{"p2 OK [COPYUID 38505 304,319:320 3956:3958] Done", `p2 OK code=COPYUID(38505 304,319:320 3956:3958) 38505 [{304 304} {319 320}] [{3956 3958}] text="Done"`},
	{"p2 OK [APPENDUID 38505 3955] x", `p2 OK code=APPENDUID(38505 3955) 38505 [] [{3955 3955}] text="x"`},
	{`* OK [PERMANENTFLAGS (\Deleted \* $a)] x`, `* OK code=PERMANENTFLAGS((\Deleted \* $a)) 0 [] [] words=["\\Deleted" "\\*" "$a"] text="x"`},
	{"* 23 EXISTS", `* EXISTS number=23`},
	{`* FLAGS (\SEEN b)`, `* FLAGS words=["\\Seen" "b"]`},
	{`* LIST (\HasNoChildren) "/" "a b"`, `* LIST list=["\\HasNoChildren"] '/' "a b"`},
	{`* LIST () NIL inbox`, `* LIST list=[] '\x00' "inbox"`},
	{"* LIST () \"/\" {3}\r\na\"b (CHILDINFO (\"SUBSCRIBED\"))", `* LIST list=[] '/' "a\"b"`},
	{"* STATUS a (MESSAGES 231 MAILBOXID (F2) UIDNEXT 44292)", `* STATUS status="a" 101 messages=231`},
	{"* SEARCH", `* SEARCH`},
	{"* SEARCH 2 5 6 (MODSEQ 917162500)", `* SEARCH numbers=[2 5 6] []`},
	{`* ESEARCH (TAG "p1") UID COUNT 3 ALL 1:2,7 MODSEQ 5`, `* ESEARCH numbers=[] [{1 2} {7 7}]`},
	{"* VANISHED (EARLIER) 41,43:116", `* VANISHED numbers=[] [{41 41} {43 116}] earlier`},
	{"+ go on", `+  text="go on"`},
	{"+", `+ `},
	{"* 1 FETCH (UID 7 FLAGS (\\Seen) MODSEQ (65402))", `* FETCH number=1 (UID[] 7 [] "" false) (FLAGS[] 0 ["\\Seen"] "" false) (MODSEQ[] 65402 [] "" false)`},
	{"* 1 FETCH (BODY[1.MIME]<5> {3}\r\nabc BODY[TEXT] NIL BODY[HEADER.FIELDS (A B)] \"x\")", `* FETCH number=1 (BODY[1.MIME] 0 [] "abc" false) (BODY[TEXT] 0 [] "" true) (BODY[HEADER.FIELDS (A B)] 0 [] "x" false)`},
	{"* 1 FETCH (ENVELOPE (NIL {2}\r\n() ((\"a\" NIL \"b\" \"c\")) NIL) BODYSTRUCTURE ((\"text\" \"plain\" NIL 1)(\"a\" \"b\") \"mixed\") RFC822.SIZE 3)", `* FETCH number=1 (passed over) (passed over) (RFC822.SIZE[] 3 [] "" false)`},
	{"* 1 FETCH ()", `* FETCH number=1`},
	{`* X-NEW {1} () "("`, ``},
	{`* X-NEW a (b "(") c`, `* X-NEW`},
}

func TestResponses(t *testing.T) {
	for _, test := range responses {
		d := NewDecoder(newText(test.said+"\r\n"), 1000)
		got, err := heard(d)
		if (err != nil) != (test.means == "") || got != test.means && err == nil {
			t.Errorf("%q means\n%s (%v), want\n%s", test.said, got, err, test.means)
		}
	}
}

func TestResponsesThatAreNone(t *testing.T) {
	for _, said := range []string{
		"", "*", "* ", "* 5", "* 99999999999 EXISTS", "* 1 FETCH", "* 1 FETCH (", "* 1 FETCH (UID)", "* 1 FETCH (UID x)", "* 1 FETCH (UID 1",
		"* 1 FETCH (BODY[] {5", "* LIST", "* LIST (", `* LIST () "//" a`, "* OK [", "* OK [COPYUID 1 2]", "* VANISHED *", "* SEARCH 0",
		"* X " + strings.Repeat("(", 10_000), "* LIST () NIL {2000}\r\n", "* FLAGS (" + strings.Repeat("a ", 20_000) + "a)",
	} {
		if got, err := heard(NewDecoder(newText(said+"\r\n"), 1000)); err == nil {
			t.Errorf("%.60q means %.60s, want an error", said, got)
		}
	}
}

func FuzzResponse(f *testing.F) {
	for _, test := range responses {
		f.Add(test.said + "\r\n")
	}
	f.Fuzz(func(t *testing.T, said string) {
		d := NewDecoder(newText(said), 1000)
		for {
			if _, err := heard(d); err != nil {
				return
			}
		}
	})
}
