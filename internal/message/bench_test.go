package message

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
)

const benchHeader = "Return-Path: <alice@example.test>\r\n" +
	"Received: from mail.example.test (mail.example.test [192.0.2.1])\r\n\tby mx.example.test with ESMTPS id 0123456789abcdef\r\n\tfor <bob@example.test>; Tue, 3 Mar 2026 10:00:01 +0100\r\n" +
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.test; s=k1;\r\n\th=from:to:subject:date:message-id; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n\tb=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzR\r\n" +
	"From: Alice Example <alice@example.test>\r\n" +
	"To: Bob Example <bob@example.test>, \"Carol, Ltd\" <carol@example.test>\r\n" +
	"Cc: dave@example.test\r\n" +
	"Subject: =?utf-8?Q?Quarterly_figures_=E2=80=93_draft?=\r\n" +
	"Date: Tue, 3 Mar 2026 10:00:00 +0100\r\n" +
	"Message-ID: <0123456789.abcdef@mail.example.test>\r\n" +
	"In-Reply-To: <9876543210.fedcba@mail.example.test>\r\n" +
	"References: <9876543210.fedcba@mail.example.test>\r\n" +
	"User-Agent: Example/1.0\r\n" +
	"MIME-Version: 1.0\r\n"

const benchLine = "The quick brown fox jumps over the lazy dog, and then sleeps all day.\r\n"

func benchText(size int) string {
	return strings.Repeat(benchLine, 1+size/len(benchLine))[:size] + "\r\n"
}

func benchBase64(size int) string {
	encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00\x01binary\xff", size/13+1)))
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(encoded[:76])
		b.WriteString("\r\n")
		encoded = encoded[76:]
		if len(encoded) < 76 {
			break
		}
	}
	return b.String()
}

func benchMessages() []struct{ name, text string } {
	plain := benchHeader + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
	alternative := benchHeader + "Content-Type: multipart/alternative; boundary=\"----=_Part_1234\"\r\n\r\n" +
		"------=_Part_1234\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + benchText(1100) +
		"------=_Part_1234\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<html><body><p>" + benchText(1200) +
		"</p></body></html>\r\n------=_Part_1234--\r\n"
	attachment := func(size int) string {
		return benchHeader + "Content-Type: multipart/mixed; boundary=\"----=_Part_1234\"\r\n\r\n" +
			"------=_Part_1234\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" + benchText(600) +
			"------=_Part_1234\r\nContent-Type: application/pdf; name=\"report.pdf\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"report.pdf\"\r\n\r\n" + benchBase64(size-2500) +
			"------=_Part_1234--\r\n"
	}
	html := benchHeader + "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<html><head><style>" +
		strings.Repeat("p { color: red }\r\n", 60) + "</style></head><body>" + strings.Repeat("<p class=3D\"x\">Gr=C3=BC=C3=9Fe &amp; mehr</p>\r\n", 30)
	return []struct{ name, text string }{
		{"plain-4K", plain + benchText(4096-len(plain))},
		{"alternative-4K", alternative},
		{"html-4K", html},
		{"attachment-64K", attachment(64 << 10)},
		{"attachment-1M", attachment(1 << 20)},
	}
}

func BenchmarkScan(b *testing.B) {
	for _, m := range benchMessages() {
		raw := []byte(m.text)
		b.Run(m.name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				s := NewScanner()
				for rest := raw; len(rest) > 0; {
					n := min(len(rest), 16<<10) // as read from a connection
					_, _ = s.Write(rest[:n])
					rest = rest[n:]
				}
				s.Finish()
			}
		})
	}
}

func BenchmarkLayout(b *testing.B) {
	l := scan(benchMessages()[1].text).Root.Layout()
	encoded := l.Append(nil)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = l.Append(buf[:0])
		}
	})
	b.Run(fmt.Sprintf("parse-%dB", len(encoded)), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseLayout(encoded); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecodeTransfer(b *testing.B) {
	for _, m := range []struct{ encoding, text string }{
		{"base64", benchBase64(1 << 20)},
		{"quoted-printable", strings.Repeat("Gr=C3=BC=C3=9Fe and a longer stretch of plain text, softly broken=\r\n", 16<<10)},
	} {
		b.Run(m.encoding, func(b *testing.B) {
			b.SetBytes(int64(len(m.text)))
			for b.Loop() {
				_, _ = io.Copy(io.Discard, DecodeTransfer(m.encoding, strings.NewReader(m.text)))
			}
		})
	}
}

func BenchmarkHeaderValues(b *testing.B) {
	b.Run("subject", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			DecodeHeader("=?utf-8?Q?Quarterly_figures_=E2=80=93_draft?=")
		}
	})
	b.Run("addresses", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ParseAddressList("Bob Example <bob@example.test>, \"Carol, Ltd\" <carol@example.test>")
		}
	})
	b.Run("date", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = ParseDate("Tue, 3 Mar 2026 10:00:00 +0100")
		}
	})
}
