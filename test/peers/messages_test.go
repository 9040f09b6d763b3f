package peers

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// letter is a message to send. Its text ends its lines with CRLF.
type letter struct {
	name string
	text []byte
}

// letters are messages of the kinds that go wrong. Each has a Message-ID with the
// sender's name and its own.
func letters(sender string) []letter {
	bodies := []struct{ name, header, body string }{
		{"plain", "Subject: plain\n", "Hello,\n\n.\n..\n.leading dots\n trailing spaces   \n\ttabs\t\n\nFrom here on\n>From there\n\n"},
		{"empty", "Subject: no body\n", ""},
		{"chinese", chineseHeader, "早上好，\n\n这是一封测试邮件。请在收到后回复。\n\n此致\n敬礼\n"},
		{"gb18030", gbHeader, gb18030("国标码的正文：镕、㐀、𠀀。\n第二行。\n")},
		{"longest-line", "Subject: RFC 5322, section 2.1.1\n", strings.Repeat("x", 998) + "\n" + strings.Repeat("y", 997) + "\n"},
		{"folded", foldedHeader, "Folded headers.\n"},
		{"multipart", multipartHeader, multipart()},
		{"large", "Subject: 3 MB\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n", encoded(3, 2_200_000)},
	}
	var all []letter
	for i, b := range bodies {
		if b.body == "" && strings.HasPrefix(sender, "swaks") {
			continue // swaks never sends a message without a body
		}
		text := fmt.Sprintf("From: =?UTF-8?B?5byg5LiJ?= <sender@example.org>\nTo: <%s@example.test>\nDate: Sat, 21 Nov 2026 10:%02d:00 +0800\n"+
			"Message-ID: <%s.%s@example.org>\nMIME-Version: 1.0\n%s\n%s", sender, i, b.name, sender, b.header, b.body)
		all = append(all, letter{b.name, crlf([]byte(text))})
	}
	return all
}

const chineseHeader = `Subject: =?UTF-8?B?5rWL6K+V6YKu5Lu277ya5paw5bm05b+r5LmQ77yM5LiH5LqL5aaC5oSP?=
 =?UTF-8?B?77yM6ZmE5Lu26K+35p+l5pS2?=
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit
`

const gbHeader = `Subject: =?GB18030?B?uPrL5sTjtcTQxA==?=
Content-Type: text/plain; charset=gb18030
Content-Transfer-Encoding: 8bit
`

const foldedHeader = `Subject: a subject
	that goes on
  and on
References: <1@example.org>
 <2@example.org>
 <3@example.org>
X-Empty:
Content-Type: text/plain;
	charset="us-ascii";
	format=flowed
`

const multipartHeader = `Subject: =?UTF-8?Q?=E4=BC=9A=E8=AE=AE=E7=BA=AA=E8=A6=81?= and attachments
Content-Type: multipart/mixed; boundary="=_outer"
`

// multipart is a body with an alternative, attachments with Chinese names, and a
// message inside.
func multipart() string {
	return `This is a message with several parts.
--=_outer
Content-Type: multipart/alternative; boundary="=_outer=_inner"

--=_outer=_inner
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

=E4=BC=9A=E8=AE=AE=E7=BA=AA=E8=A6=81 =
soft break =3D
--=_outer=_inner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PGh0bWw+PGJvZHk+PGI+5Lya6K6u57qq6KaBPC9iPjwvYm9keT48L2h0bWw+
--=_outer=_inner--

--=_outer
Content-Type: application/pdf;
 name*0*=utf-8''%E4%BC%9A%E8%AE%AE;
 name*1*=%E7%BA%AA%E8%A6%81.pdf
Content-Disposition: attachment; filename*=utf-8''%E4%BC%9A%E8%AE%AE%E7%BA%AA%E8%A6%81.pdf
Content-Transfer-Encoding: base64

` + encoded(1, 40_000) + `
--=_outer
Content-Type: image/png; name="=?GB2312?B?zbzGrC5wbmc=?="
Content-Disposition: attachment; filename="=?GB2312?B?zbzGrC5wbmc=?="
Content-Transfer-Encoding: base64

` + encoded(2, 150_000) + `
--=_outer
Content-Type: message/rfc822

From: inner@example.org
Subject: =?ISO-2022-JP?B?GyRCJUYlOSVIGyhC?=
Content-Type: text/plain

.inside
--=_outer--
epilogue
`
}

// encoded is n bytes of noise in base64 lines.
func encoded(seed byte, n int) string {
	noise := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(noise)
	text := base64.StdEncoding.EncodeToString(noise)
	var b strings.Builder
	for text != "" {
		n := min(76, len(text))
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	return b.String()
}

func gb18030(s string) string {
	out, err := simplifiedchinese.GB18030.NewEncoder().String(s)
	if err != nil {
		panic(err) // GB18030 covers Unicode
	}
	return out
}

// crlf gives lines the ends that mail has.
func crlf(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
}
