package dsn

import (
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
)

// A letter has the header of all that the server writes, and says nothing in lines that
// are not its own.
func TestLetter(t *testing.T) {
	l := Letter{
		ID: "0dsn00000000000a", Date: arrived.Add(time.Hour), Host: "mail.example.test",
		From: addr.Address{Local: "postmaster", Domain: "mail.example.test"}, To: alice,
		Subject: "Something\r\nBcc: " + strings.Repeat("x", 2000), Text: "\nOne line,\nand another\x00 one.\n",
	}
	want := strings.ReplaceAll(`From: Mail server <postmaster@mail.example.test>
To: <alice@example.test>
Subject: Something??Bcc: `+strings.Repeat("x", 84)+`...
Date: Sun, 01 Mar 2026 10:05:07 +0800
Message-ID: <0dsn00000000000a@mail.example.test>
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

This is the mail server mail.example.test.

One line,
and another? one.
`, "\n", "\r\n")
	if got := string(l.Build()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	l.Language, l.Subject, l.Text = Chinese, "证书", "一行。\n"
	got := string(l.Build())
	for _, want := range []string{"From: =?utf-8?q?=E9=82=AE", "Subject: =?utf-8?b?6K+B5Lmm?=\r\n", "charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
