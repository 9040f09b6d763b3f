package imapd

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
)

// everything is all that can be fetched of a message.
const everything = "(UID FLAGS INTERNALDATE RFC822.SIZE MODSEQ EMAILID THREADID SAVEDATE PREVIEW ENVELOPE BODY BODYSTRUCTURE " +
	"BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[HEADER.FIELDS (Subject X-Y)] BODY.PEEK[HEADER.FIELDS.NOT (Subject)] " +
	"BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2] BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT] BODY.PEEK[2.1] BODY.PEEK[1.1]<1.7> " +
	"RFC822 RFC822.HEADER RFC822.TEXT BINARY.PEEK[] BINARY.PEEK[1] BINARY.SIZE[1] BINARY.PEEK[2] BINARY.SIZE[2] BINARY.PEEK[2]<3.5>)"

// FuzzFetch stores any bytes as a message: whatever they are, all of it can be fetched,
// and what comes is a valid response that is true to them.
func FuzzFetch(f *testing.F) {
	f.Add([]byte(fuzzMail))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Transfer-Encoding: base64\r\n\r\nAQ\x00ID\r\n" +
		"--x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=00=\nb\n--x--"))
	f.Add([]byte("From: \"\\\r\n (x@\r\nTo: :;,<>\r\nDate: \x00\r\nSubject: =?utf-8?q?=00=ff?=\r\n\r\n\xff\x00"))
	f.Add([]byte("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: x-odd\r\n\r\nContent-Type: ;;;\"\r\n\r\n"))
	f.Add([]byte("Content-Type: multipart/\x80; boundary=\"\r\n"))
	f.Add([]byte("\n\r\n\r"))
	f.Add([]byte{})
	f.Add([]byte("Subject: large\n\n" + strings.Repeat("a\x00\n", 3000)))
	f.Fuzz(func(t *testing.T, text []byte) {
		synctest.Test(t, func(t *testing.T) { fuzzFetch(t, text) })
	})
}

func fuzzFetch(t *testing.T, text []byte) {
	w := newWorld(t)
	if err := w.deliver("alice", "INBOX", string(text)); err != nil {
		t.Fatal(err)
	}
	client := w.imap.Dial()
	defer client.Close()
	go fmt.Fprintf(client, "x LOGIN alice secret\r\nx ENABLE CONDSTORE\r\nx EXAMINE INBOX\r\nx FETCH 1 %s\r\nx LOGOUT\r\n", everything)
	all, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := bytes.Cut(all, []byte(" EXAMINE completed\r\n"))
	r := strictReader{rest: got}
	items := r.fetch()
	end := string(r.rest)
	if r.bad != "" || !strings.HasPrefix(end, "x OK ") && !strings.HasPrefix(end, "x NO [UNKNOWN-CTE] ") {
		t.Fatalf("%s\nis no response to FETCH: %s, then %q", got, r.bad, end)
	}
	shown := strings.ReplaceAll(string(text), "\x00", "\x80")
	for name, want := range map[string]string{
		"BODY[]": shown, "RFC822": shown, "BINARY[]": string(text), "RFC822.SIZE": strconv.Itoa(len(text)),
		"BODY[HEADER]": items["RFC822.HEADER"], "BODY[TEXT]": items["RFC822.TEXT"],
		"BINARY.SIZE[1]": strconv.Itoa(len(items["BINARY[1]"])), "BINARY.SIZE[2]": strconv.Itoa(len(items["BINARY[2]"])),
	} {
		if items[name] != want && !(want == "" && items[name] == "") {
			t.Errorf("%s is %q, want %q", name, items[name], want)
		}
	}
	if n := w.imap.Stats().Panics; n > 0 {
		t.Error("the session panicked")
	}
}

// strictReader reads what a server answers, strictly. After the first mistake it only
// remembers what was wrong.
type strictReader struct {
	rest []byte
	bad  string
}

func (r *strictReader) fail(what string) {
	if r.bad == "" {
		r.bad = fmt.Sprintf("%s at %.60q", what, r.rest)
	}
	r.rest = nil
}

func (r *strictReader) has(s string) bool {
	if bytes.HasPrefix(r.rest, []byte(s)) {
		r.rest = r.rest[len(s):]
		return true
	}
	return false
}

func (r *strictReader) must(s string) {
	if !r.has(s) {
		r.fail("expected " + strconv.Quote(s))
	}
}

// fetch reads one FETCH response; NIL is an empty value.
func (r *strictReader) fetch() map[string]string {
	items := map[string]string{}
	r.must("* 1 FETCH (")
	for r.bad == "" {
		name := r.name()
		r.must(" ")
		switch name {
		case "BODY", "BODYSTRUCTURE":
			r.body(name == "BODYSTRUCTURE")
		case "ENVELOPE":
			r.envelope()
		default:
			items[name] = r.value()
		}
		if r.has(")\r\n") {
			break
		}
		r.must(" ")
	}
	return items
}

// name reads an item's name, with its section.
func (r *strictReader) name() string {
	n := bytes.IndexAny(r.rest, " [")
	if n <= 0 {
		r.fail("expected a name")
		return ""
	}
	if r.rest[n] == '[' {
		n += bytes.IndexByte(r.rest[n:], ']') + 1
		if n < len(r.rest) && r.rest[n] == '<' {
			n += bytes.IndexByte(r.rest[n:], '>') + 1
		}
	}
	name := string(r.rest[:n])
	r.rest = r.rest[n:]
	return name
}

// value reads a value of any kind and gives it, NIL and lists as nothing.
func (r *strictReader) value() string {
	switch {
	case r.has("NIL"):
	case r.has("("):
		for first := true; r.bad == "" && !r.has(")"); first = false {
			if !first {
				r.must(" ")
			}
			r.value()
		}
	case r.has(`"`):
		return r.quoted()
	case r.has("~{"):
		return r.literal(true)
	case r.has("{"):
		return r.literal(false)
	default:
		n := bytes.IndexAny(r.rest, " ()\"{\r")
		if n <= 0 {
			r.fail("expected a value")
			return ""
		}
		atom := string(r.rest[:n])
		r.rest = r.rest[n:]
		return atom
	}
	return ""
}

func (r *strictReader) quoted() string {
	var b []byte
	for i := 0; i < len(r.rest); i++ {
		switch c := r.rest[i]; {
		case c == '"':
			r.rest = r.rest[i+1:]
			return string(b)
		case c == '\\' && i+1 < len(r.rest) && (r.rest[i+1] == '"' || r.rest[i+1] == '\\'):
			i++
			b = append(b, r.rest[i])
		case c == 0 || c == '\r' || c == '\n' || c == '\\' || c > 0x7e:
			r.rest = r.rest[i:]
			r.fail("no quoted string may hold this")
			return ""
		default:
			b = append(b, c)
		}
	}
	r.fail("a quoted string does not end")
	return ""
}

func (r *strictReader) literal(binary bool) string {
	digits, rest, ok := bytes.Cut(r.rest, []byte("}\r\n"))
	n, err := strconv.Atoi(string(digits))
	if !ok || err != nil || n > len(rest) {
		r.fail("no literal")
		return ""
	}
	s := string(rest[:n])
	r.rest = rest[n:]
	if strings.Contains(s, "\x00") != binary {
		r.fail("a NUL outside of a literal8, or a literal8 without")
	}
	return s
}

// text reads a string, or NIL if that may be.
func (r *strictReader) text(orNIL bool) string {
	if orNIL && r.has("NIL") {
		return ""
	}
	if len(r.rest) == 0 || r.rest[0] != '"' && r.rest[0] != '{' {
		r.fail("expected a string")
	}
	return r.value()
}

func (r *strictReader) number() {
	n := 0
	for n < len(r.rest) && r.rest[n] >= '0' && r.rest[n] <= '9' {
		n++
	}
	if n == 0 {
		r.fail("expected a number")
	}
	r.rest = r.rest[min(n, len(r.rest)):]
}

// envelope reads an ENVELOPE (RFC 3501 §7.4.2).
func (r *strictReader) envelope() {
	r.must("(")
	r.text(true)
	r.must(" ")
	r.text(true)
	for range 6 {
		if r.must(" "); r.has("NIL") {
			continue
		}
		r.must("(")
		for more := true; more && r.bad == ""; more = !r.has(")") {
			r.must("(")
			for i := range 4 {
				if i > 0 {
					r.must(" ")
				}
				r.text(true)
			}
			r.must(")")
		}
	}
	r.must(" ")
	r.text(true)
	r.must(" ")
	r.text(true)
	r.must(")")
}

// body reads a BODY, or with its extension data a BODYSTRUCTURE.
func (r *strictReader) body(extended bool) {
	r.must("(")
	if bytes.HasPrefix(r.rest, []byte("(")) {
		for r.bad == "" && bytes.HasPrefix(r.rest, []byte("(")) {
			r.body(extended)
		}
		r.must(" ")
		r.text(false)
	} else {
		r.leaf(extended)
	}
	for extended && r.has(" ") {
		r.value()
	}
	r.must(")")
}

func (r *strictReader) leaf(extended bool) {
	kind := strings.ToLower(r.text(false))
	r.must(" ")
	subtype := strings.ToLower(r.text(false))
	r.must(" ")
	r.value() // parameters
	for i := range 3 {
		r.must(" ")
		r.text(i < 2)
	}
	r.must(" ")
	r.number()
	switch {
	case kind == "text":
		r.must(" ")
		r.number()
	case kind == "message" && (subtype == "rfc822" || subtype == "global"):
		r.must(" ")
		r.envelope()
		r.must(" ")
		r.body(extended)
		r.must(" ")
		r.number()
	}
}
