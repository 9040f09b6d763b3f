package imapwire

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseURL(t *testing.T) {
	y2k := time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]*URL{
		"/INBOX/;UID=20":      {Mailbox: "INBOX", UID: 20},
		"inbox/;uid=20":       {Mailbox: "INBOX", UID: 20},
		";UID=3/;SECTION=1.2": {UID: 3, Section: Section{Part: []int{1, 2}}},
		"/Drafts;UIDVALIDITY=38/;UID=20/;section=HEADER": {Mailbox: "Drafts", UIDValidity: 38, UID: 20, Section: Section{Specifier: Header}},
		"/a/b%20c/%E4%BD%A0/;UID=1/;SECTION=1.MIME/;PARTIAL=5.10": {
			Mailbox: "a/b c/你", UID: 1,
			Section: Section{Part: []int{1}, Specifier: MIME}, Partial: &Partial{5, 10},
		},
		"/x/;UID=1/;PARTIAL=7":                                 {Mailbox: "x", UID: 1, Partial: &Partial{7, 0}},
		"/x/;UID=1/;SECTION=HEADER.FIELDS%20(Date%20%22To%22)": {Mailbox: "x", UID: 1, Section: Section{Specifier: HeaderFields, Fields: []string{"Date", "To"}}},
		"IMAP://joe%40x.test;AUTH=*@Example.com:143/x/;UID=9":  {User: "joe@x.test", Host: "example.com:143", Mailbox: "x", UID: 9},
		"imap://joe@h/x/;uid=9;expire=2000-01-01t12:00:00z;urlauth=submit+fr%65d:internal:91ab": {
			User: "joe", Host: "h", Mailbox: "x", UID: 9,
			Expire: y2k, Access: "submit+fred", Mechanism: "INTERNAL", Token: "91ab",
			Rump: "imap://joe@h/x/;uid=9;expire=2000-01-01t12:00:00z;urlauth=submit+fr%65d",
		},
		"imap://joe@h/x/;uid=9/;section=1;urlauth=anonymous": {
			User: "joe", Host: "h", Mailbox: "x", UID: 9, Section: Section{Part: []int{1}},
			Access: "anonymous", Rump: "imap://joe@h/x/;uid=9/;section=1;urlauth=anonymous",
		},
		"":                        nil,
		"/INBOX":                  nil,
		"/INBOX/;UID=0":           nil,
		"/INBOX/;UID=":            nil,
		"/INBOX/;UID=1x":          nil,
		"/INBOX/;UID=+1":          nil,
		"/%zz/;UID=1":             nil,
		"/x;UIDVALIDITY=0/;UID=1": nil,
		"/x/;UID=1/;SECTION=1.":   nil,
		"/x/;UID=1/;SECTION=HEADER.FIELDS%20({3}":     nil,
		"/x/;UID=1/;PARTIAL=1.0":                      nil,
		"/x/;UID=1/;PARTIAL=-1":                       nil,
		"/x/;UID=1/;URLAUTH=everybody":                nil,
		"/x/;UID=1;URLAUTH=user+":                     nil,
		"/x/;UID=1;URLAUTH=authuser+x":                nil,
		"/x/;UID=1;URLAUTH=anonymous:x":               nil,
		"/x/;UID=1;EXPIRE=tomorrow;URLAUTH=anonymous": nil,
		"imap:///x/;UID=1":                            nil,
		"imap://h":                                    nil,
	} {
		got, ok := ParseURL(in)
		if ok != (want != nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseURL(%q) = %s, want %s", in, fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
		}
	}
}

func TestPartStructure(t *testing.T) {
	const leaf, other = `("text" "plain" NIL NIL NIL "7bit" 3 1 NIL NIL NIL NIL)`, `("a" "b" ("n" "x)") NIL {2}` + "\r\n" + `)( "7bit" 3)`
	const embedded = `("message" "rfc822" NIL NIL NIL "7bit" 90 (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL) (` + leaf + other + ` "mixed") 7)`
	const whole = `(` + leaf + embedded + other + ` "mixed" ("boundary" "x") NIL NIL NIL)`
	for _, test := range []struct {
		in   string
		part []int
		want string
	}{
		{whole, nil, whole},
		{whole, []int{1}, leaf},
		{whole, []int{2}, embedded},
		{whole, []int{3}, other},
		{whole, []int{4}, ""},
		{whole, []int{2, 1}, leaf},
		{whole, []int{2, 2}, other},
		{whole, []int{2, 3}, ""},
		{whole, []int{1, 1}, ""},
		{leaf, []int{1}, leaf},
		{leaf, []int{2}, ""},
		{`(`, []int{1, 1}, ""},
		{`((`, []int{2}, ""},
	} {
		if got := string(PartStructure([]byte(test.in), test.part)); got != test.want {
			t.Errorf("PartStructure(%s, %v) = %s", test.in, test.part, got)
		}
	}
}

// FuzzURL: nothing panics, and the rump is the beginning of the URL.
func FuzzURL(f *testing.F) {
	f.Add("imap://joe@h/x;UIDVALIDITY=3/;uid=9/;section=1.2/;PARTIAL=3.4;expire=2000-01-01T12:00:00Z;urlauth=submit+fred:internal:91ab")
	f.Add("/x/;UID=1/;SECTION=HEADER.FIELDS%20(Date%20%22To%22)")
	f.Fuzz(func(t *testing.T, s string) {
		if u, ok := ParseURL(s); ok && (u.UID == 0 || !strings.HasPrefix(s, u.Rump)) {
			t.Errorf("ParseURL(%q) = %+v", s, u)
		}
	})
}
