package outbound

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"posthorn/internal/fault"
	"posthorn/internal/message"
)

// crlf writes a message for a test: lines end in CRLF.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// inSeven is what becomes of a message; "" if nothing has to.
func inSeven(t *testing.T, text string) (string, error) {
	t.Helper()
	s, err := makeSevenBit(context.Background(), strings.NewReader(text), int64(len(text)))
	if err != nil || s == nil {
		return "", err
	}
	out, err := io.ReadAll(iotest.OneByteReader(s.reader()))
	if err != nil {
		t.Fatal(err)
	}
	return string(out), nil
}

func TestSevenBit(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"ASCII", "Subject: x\n\nHello\n", ""},
		{"ASCII, said to be more", "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n\nHello\n", ""},
		{"a header only", "Subject: é\n\nHello\n", ""},
		{
			"text", "MIME-Version: 1.0\nContent-Type: text/plain;\n charset=utf-8\nContent-Transfer-Encoding: 8bit\nSubject: x\n\ncafé \n=\n",
			"MIME-Version: 1.0\nContent-Type: text/plain;\n charset=utf-8\nSubject: x\nContent-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9=20\n=3D\n",
		},
		{
			"text that does not say what it is", "Subject: x\n\ncafé",
			"Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\nContent-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9",
		},
		{
			"other than text", "MIME-Version: 1.0\nContent-Type: image/x\nContent-Transfer-Encoding: 8bit\n\n" + strings.Repeat("é", 40) + "\n",
			"MIME-Version: 1.0\nContent-Type: image/x\nContent-Transfer-Encoding: base64\n\n" +
				"w6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nD\nqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6kNCg==",
		},
		{
			"text with a lone CR, which quoted-printable cannot say", "MIME-Version: 1.0\nContent-Type: text/plain\n\né\r\n\n",
			"MIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\nw6kNDQoNCg==",
		},
		{
			"binary without a byte above 127", "MIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: BINARY\n\nHi\n",
			"MIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\nSGkNCg==",
		},
		{
			"lines that are none, in ASCII", "MIME-Version: 1.0\nContent-Type: application/x\n\na\rb\n",
			"MIME-Version: 1.0\nContent-Type: application/x\nContent-Transfer-Encoding: base64\n\nYQ1iDQo=",
		},
		{"lines that are none, in base64", "MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\nYQ\r==\n", ""},
		{
			"parts, of which one is concerned", `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b
Content-Transfer-Encoding: 8bit

preamble
--b

plain
--b
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: 8bit

<p>é</p>
--b
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

Subject: inner

café
--b--
epilogue
`, `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b
Content-Transfer-Encoding: 7bit

preamble
--b

plain
--b
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>=C3=A9</p>
--b
Content-Type: message/rfc822
Content-Transfer-Encoding: 7bit

Subject: inner
MIME-Version: 1.0
Content-Type: text/plain; charset=unknown-8bit
Content-Transfer-Encoding: quoted-printable

caf=C3=A9
--b--
epilogue
`,
		},
		{
			"a digest, whose parts need no type", "MIME-Version: 1.0\nContent-Type: multipart/digest; boundary=b\n\n--b\nContent-Transfer-Encoding: 8bit\n\nSubject: x\n\né\n--b--\n",
			"MIME-Version: 1.0\nContent-Type: multipart/digest; boundary=b\n\n--b\nContent-Transfer-Encoding: 7bit\n\nSubject: x\nMIME-Version: 1.0\n" +
				"Content-Type: text/plain; charset=unknown-8bit\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A9\n--b--\n",
		},
	} {
		got, err := inSeven(t, crlf(tc.in))
		if err != nil || got != crlf(tc.want) {
			t.Errorf("%s: %v\ngot\n%s\nwant\n%s", tc.name, err, got, crlf(tc.want))
		}
	}
	for _, impossible := range []string{
		"Content-Type: message/partial\n\né\n",
		"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\né\n",
		"X: " + strings.Repeat("x", maxPartHeader) + "\n\né\n",
		strings.Repeat("Content-Type: message/rfc822\n\n", 60) + "\né",
	} {
		if got, err := inSeven(t, crlf(impossible)); !fault.Is(err, fault.Unsupported) {
			t.Errorf("%.40q: %q, %v", impossible, got, err)
		}
	}
}

// A source that fails, fails the message.
func TestSevenBitSource(t *testing.T) {
	bad := errors.New("bad disk")
	if _, err := makeSevenBit(context.Background(), broken{bad}, 100); !errors.Is(err, bad) {
		t.Error(err)
	}
	if _, err := io.ReadAll(encode(iotest.ErrReader(bad), quotedPrintable)); !errors.Is(err, bad) {
		t.Error(err)
	}
}

// FuzzSevenBit: what comes out has the same parts with the same content, and no byte
// above 127 outside of headers.
func FuzzSevenBit(f *testing.F) {
	f.Add(crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\n\né\n--b\nContent-Type: a/b\n\n\xff\n--b--\n"))
	f.Add(crlf("Content-Type: message/rfc822\nContent-Transfer-Encoding: binary\n\nA: b\n\né . \n"))
	f.Add("Content-Transfer-Encoding: binary\r\n\r\n\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := inSeven(t, text)
		if err != nil || got == "" {
			return
		}
		before, after := leaves(t, text), leaves(t, got)
		if len(before) != len(after) {
			t.Fatalf("%q has %d parts, %q has %d", text, len(before), got, len(after))
		}
		for i := range before {
			if before[i] != after[i] {
				t.Errorf("%q: part %d was %q and is %q", text, i, before[i], after[i])
			}
		}
	})
}

// leaves are the decoded bodies of all parts.
func leaves(t *testing.T, text string) []string {
	scanner := message.NewScanner()
	io.WriteString(scanner, text)
	var all []string
	var walk func(p *message.Part)
	walk = func(p *message.Part) {
		if len(p.Parts) == 0 {
			body, err := io.ReadAll(message.DecodeTransfer(p.Encoding, strings.NewReader(text[p.BodyStart:p.End])))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, string(body))
		}
		for _, child := range p.Parts {
			walk(child)
		}
	}
	walk(scanner.Finish().Root)
	return all
}

// A server that takes no 8-bit text, or none that is binary, gets the message all
// the same.
func TestLessAbleServer(t *testing.T) {
	eight := crlf("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ncafé\n")
	for _, tc := range []struct {
		name, rules, text string
		eight, binary     bool
		want              string // part of what arrives, or of the result
	}{
		{"8-bit, taken", "offers: 8BITMIME", eight, true, false, "café"},
		{"8-bit, not taken", "offers: SIZE 160", eight, true, false, "caf=C3=A9"},
		{"8-bit, but it is not", "offers:", crlf("Subject: x\n\nHello\n"), true, false, "Hello"},
		{"8-bit, although nobody said so", "offers:", eight, false, false, "café"},
		{"binary, taken", "offers: CHUNKING, BINARYMIME", "A: b\r\n\r\n\n\xff", false, true, "\n\n\xff"},
		{"binary, not taken", "offers: 8BITMIME", "A: b\r\nContent-Transfer-Encoding: binary\r\n\r\n\n\xff", false, true, "Cv8="},
		{"impossible", "offers:", crlf("Content-Type: message/partial\n\né\n"), true, false, "refused: 554 5.6.3 remote.test [192.0.2.1], at MAIL: the message has 8-bit text, which the server does not take (8BITMIME)"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "remote.test A 192.0.2.1", map[string]string{"192.0.2.1": tc.rules}, nil)
			task := mail("bob@remote.test")
			task.contains(tc.text)
			task.message.EightBit, task.message.Binary = tc.eight, tc.binary
			got := w.deliver(task)
			for _, m := range w.servers["192.0.2.1"].Messages() {
				got = m.Data
			}
			if !strings.Contains(got, tc.want) {
				t.Errorf("%s: %q", tc.name, got)
			}
		})
	}
}

// Signatures stay with what was signed, and with nothing else.
func TestChangedMessageLosesItsSignatures(t *testing.T) {
	const signature = "DKIM-Signature: v=1\r\n"
	eight := crlf("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ncafé\n")
	for rules, want := range map[string]string{
		"offers: 8BITMIME": signature + eight,
		"offers:":          strings.Replace(strings.Replace(eight, "8bit", "quoted-printable", 1), "é", "=C3=A9", 1),
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "remote.test A 192.0.2.1", map[string]string{"192.0.2.1": rules}, nil)
			task := mail("bob@remote.test")
			task.contains(signature + eight)
			task.message.EightBit, task.message.Header = true, []byte(signature)
			got := w.deliver(task)
			for _, m := range w.servers["192.0.2.1"].Messages() {
				got = m.Data
			}
			if got != want {
				t.Errorf("%s:\n%q, want\n%q", rules, got, want)
			}
		})
	}
}
