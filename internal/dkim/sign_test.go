package dkim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"pgregory.net/rapid"

	"posthorn/internal/fault"
)

// testKeys are two keys of example.test and the records that publish them.
func testKeys(t testing.TB) (keys []Key, lookup func(string) ([]string, error)) {
	t.Helper()
	records := map[string]string{}
	for _, a := range Algorithms() {
		private, err := GenerateKey(a)
		if err != nil {
			t.Fatal(err)
		}
		k := Key{Domain: "example.test", Selector: "s" + string(a), Algorithm: a, Private: private}
		record, err := PublicRecord(private)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
		records[RecordName(k.Selector, k.Domain)] = record.String()
	}
	return keys, func(name string) ([]string, error) {
		if text, ok := records[name]; ok {
			return []string{text}, nil
		}
		return nil, fmt.Errorf("no record %s", name)
	}
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// sign signs a message that arrives in pieces of n bytes.
func sign(t failing, message string, n int, keys ...Key) string {
	t.Helper()
	d := NewDigest()
	for p := []byte(message); len(p) > 0; p = p[min(n, len(p)):] {
		d.Write(p[:min(n, len(p))])
	}
	lines, err := d.Sign(noon, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return string(lines)
}

// verified says which signatures of a message hold, in another implementation.
func verified(t testing.TB, message string, lookup func(string) ([]string, error)) (good int, all []error) {
	t.Helper()
	results, err := dkim.VerifyWithOptions(strings.NewReader(message), &dkim.VerifyOptions{LookupTXT: lookup})
	if err != nil {
		t.Fatalf("%v:\n%s", err, message)
	}
	for _, r := range results {
		if all = append(all, r.Err); r.Err == nil {
			good++
		}
	}
	return good, all
}

const letter = "From: Joe SixPack <joe@example.test>\r\n" +
	"To: Suzie Q <suzie@shopping.example.net>\r\n" +
	"Subject: Is dinner ready?\r\n" +
	"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n" +
	"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n" +
	"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"

func TestSign(t *testing.T) {
	keys, lookup := testKeys(t)
	for name, message := range map[string]string{
		"a letter":          letter,
		"no body":           "From: a@example.test\r\n\r\n",
		"blanks only":       "From: a@example.test\r\n\r\n \t\r\n\r\n  \r\n",
		"no end of line":    "From: a@example.test\r\n\r\nx",
		"blanks at the end": "From: a@example.test\r\n\r\nx  y \t z  \r\n \r\n\r\n",
		"folded":            "From: a@example.test\r\nSubject:\r\n a\r\n\t b  c \r\nTo:b@c.test\r\n\r\nhello\r\n",
		"twice":             "From: a@example.test\r\nTo: b@c.test\r\nTo: d@e.test\r\nList-Id: <x>\r\n\r\nhello\r\n",
		"empty fields":      "From: a@example.test\r\nSubject:\r\nCc: \r\n\r\nhello\r\n",
		"UTF-8":             "From: 阿@example.test\r\nSubject: 你好\r\n\r\n您好 \r\n",
		"many":              "From: a@example.test\r\n" + strings.Repeat("Received: x\r\n", 100) + strings.Repeat("To: x@y.test\r\n", 50) + "\r\nhello\r\n",
		"a long body":       "From: a@example.test\r\n\r\n" + strings.Repeat("0123456789 abcdefg  \r\n\r\n", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			signed := sign(t, message, len(message), keys...)
			for line := range strings.SplitSeq(signed, "\r\n") {
				if len(line) > 78 {
					t.Errorf("a line of %d bytes: %s", len(line), line)
				}
			}
			if good, all := verified(t, signed+message, lookup); good != 2 || len(all) != 2 {
				t.Errorf("%d of 2 hold: %v\n%s", good, all, signed)
			}
			for _, n := range []int{1, 2, 3, 7} {
				if again := sign(t, message, n, keys[1]); !strings.HasSuffix(signed, again) { // Ed25519 has no chance in it
					t.Errorf("in pieces of %d it is signed otherwise:\n%s\n%s", n, again, signed)
				}
			}
		})
	}
}

// What is there, what is not, and what nobody may add.
func TestSignature(t *testing.T) {
	keys, lookup := testKeys(t)
	message := "Received: from x\r\nBcc: y@example.test\r\nReturn-Path: <z>\r\n" + letter
	signed := sign(t, message, 100, keys...)
	for _, want := range []string{"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.test;\r\n\ts=srsa; t=1795348800;", "a=ed25519-sha256;", " h=From:From:To:To:Cc:"} {
		if !strings.Contains(strings.ReplaceAll(signed, "\r\n\th=", " h="), want) {
			t.Errorf("no %q:\n%s", want, signed)
		}
	}
	for _, never := range []string{"Received", "Bcc", "Return-Path", " l=", " x="} {
		if strings.Contains(signed, never) {
			t.Errorf("%q is signed:\n%s", never, signed)
		}
	}
	for name, changed := range map[string]string{
		"a changed body":    strings.Replace(message, "lost", "won", 1),
		"a longer body":     message + "more\r\n",
		"a changed subject": strings.Replace(message, "Is dinner", "Is lunch", 1),
		"a second From":     "From: mallory@example.org\r\n" + message,
		"a second Subject":  "Subject: urgent\r\n" + message,
		"a Cc":              "Cc: all@example.org\r\n" + message,
		"a Content-Type":    "Content-Type: text/html\r\n" + message,
		"no Message-ID":     strings.Replace(message, "Message-ID:", "X-Message-ID:", 1),
	} {
		if good, all := verified(t, signed+changed, lookup); good != 0 || len(all) != 2 {
			t.Errorf("%s: %d signatures hold", name, good)
		}
	}
	for name, harmless := range map[string]string{
		"another Received": "Received: from y\r\n" + message,
		"a list":           "List-Id: <all.example.org>\r\nSender: list@example.org\r\n" + message,
		"other folds":      strings.Replace(message, "Is dinner ready?", "Is\r\n  dinner\r\n\tready? ", 1),
	} {
		if good, all := verified(t, signed+harmless, lookup); good != 2 {
			t.Errorf("%s: %d signatures hold: %v", name, good, all)
		}
	}
}

// The hash of RFC 8463, appendix A.3.
func TestBodyHash(t *testing.T) {
	b := newRelaxedBody(sha256.New())
	_, body, _ := strings.Cut(letter, "\r\n\r\n")
	b.write([]byte(body))
	if got := base64.StdEncoding.EncodeToString(b.sum()); got != "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=" {
		t.Errorf("the hash is %s", got)
	}
}

func TestNotSigned(t *testing.T) {
	keys, _ := testKeys(t)
	for name, message := range map[string]string{
		"no From":       "Subject: x\r\n\r\nhello\r\n",
		"no header":     "\r\nFrom: a@example.test\r\n",
		"nothing":       "",
		"a long header": "From: a@example.test\r\n" + strings.Repeat("X: "+strings.Repeat("x", 70)+"\r\n", 20_000) + "\r\nhello\r\n",
	} {
		d := NewDigest()
		for p := range bytes.Lines([]byte(message)) {
			d.Write(p)
		}
		if lines, err := d.Sign(noon, keys...); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %s, %v", name, lines, err)
		}
	}
	d := NewDigest()
	for range 1000 {
		d.Write(bytes.Repeat([]byte("x"), 64<<10))
	}
	if cap(d.header) > 4<<20 {
		t.Errorf("%d bytes are kept of a header without end", cap(d.header))
	}
}

// Whatever mail looks like, its signature holds, however it was cut into pieces.
func TestAnyMessage(t *testing.T) {
	keys, lookup := testKeys(t)
	line := rapid.StringMatching(`[ \t]{0,2}[a-zäö.:]{0,8}[ \t]{0,3}[a-z]{0,3}[ \t]{0,2}`)
	rapid.Check(t, func(t *rapid.T) {
		message := "From: a@example.test\r\n"
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(append(sealed(), signed()...)), 0, 6).Draw(t, "names") {
			message += name + ":" + line.Draw(t, "value") + "\r\n" + rapid.SampledFrom([]string{"", " folded\r\n", "\t \r\n x\r\n"}).Draw(t, "fold")
		}
		message += "\r\n" + strings.Join(rapid.SliceOfN(line, 0, 8).Draw(t, "body"), "\r\n")
		signed := sign(t, message, rapid.IntRange(1, 20).Draw(t, "piece"), keys[1])
		results, err := dkim.VerifyWithOptions(strings.NewReader(signed+message), &dkim.VerifyOptions{LookupTXT: lookup})
		if err != nil || len(results) != 1 || results[0].Err != nil {
			t.Fatalf("%v %+v\n%q", err, results, signed+message)
		}
	})
}

// failing is what the tests of testing and of rapid have in common.
type failing interface {
	Helper()
	Fatal(...any)
}

func BenchmarkSign(b *testing.B) {
	keys, _ := testKeys(b)
	for name, use := range map[string][]Key{"both": keys, "rsa": keys[:1], "ed25519": keys[1:]} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sign(b, letter, len(letter), use...)
			}
		})
	}
}

func BenchmarkDigest(b *testing.B) {
	d := NewDigest()
	d.Write([]byte("From: a@example.test\r\n\r\n"))
	p := []byte(strings.Repeat("The quick brown fox jumps over the lazy dog, again and again and again.\r\n", 800))
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		d.Write(p)
	}
}
