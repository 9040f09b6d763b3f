package dsn

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"

	"posthorn/internal/addr"
	"posthorn/internal/smtpwire"
)

// check reads a notification as others do, and compares it with its report.
func check(t *testing.T, r *Report, raw []byte) {
	t.Helper()
	if longestLine(raw) > 999 {
		t.Errorf("a line of %d bytes", longestLine(raw))
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatalf("it is a %s %v: %v", kind, params, err)
	}
	if n := len(m.Header); n != 8 && n != 10 { // with and without In-Reply-To, References
		t.Errorf("%d fields in the header: %v", n, m.Header)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	wantType(t, parts, "text/plain")
	checkStatus(t, r, wantType(t, parts, "message/delivery-status"))
	if len(r.Original.header()) > 0 {
		wantType(t, parts, "")
	}
	if p, err := parts.NextRawPart(); err != io.EOF {
		t.Fatalf("one part more: %v %v", p, err)
	}
}

func wantType(t *testing.T, parts *multipart.Reader, want string) []byte {
	t.Helper()
	p, err := parts.NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	kind, _, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
	if err != nil || want != "" && kind != want {
		t.Fatalf("a part is %q (%v), want %s", kind, err, want)
	}
	body, err := io.ReadAll(p)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// checkStatus reads the fields for programs.
func checkStatus(t *testing.T, r *Report, body []byte) {
	t.Helper()
	if !isASCII(body) {
		t.Error("the fields are not ASCII")
	}
	groups := strings.Split(strings.TrimSuffix(string(body), "\r\n"), "\r\n\r\n")
	if len(groups) != len(r.Recipients)+1 {
		t.Fatalf("%d groups of fields for %d recipients", len(groups), len(r.Recipients))
	}
	for i, to := range r.Recipients {
		f := headerOf(t, groups[i+1])
		if f.Get("Final-Recipient") != typed(to.Address) && isASCII(to.Address.Domain) {
			t.Errorf("Final-Recipient: %s", f.Get("Final-Recipient"))
		}
		if f.Get("Action") != to.Action.String() {
			t.Errorf("Action: %s", f.Get("Action"))
		}
		if (f.Get("Original-Recipient") != "") != (to.Original != "") {
			t.Errorf("Original-Recipient: %s", f.Get("Original-Recipient"))
		}
		want := 5
		for _, set := range []bool{to.Original != "", to.Remote != "", !to.Reply.IsZero(), to.Action == Delayed} {
			if set {
				want++
			}
		}
		if len(f) != want {
			t.Errorf("%d fields, want %d: %v", len(f), want, f)
		}
	}
}

func headerOf(t *testing.T, group string) textproto.MIMEHeader {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(group + "\r\n\r\n"))
	if err != nil {
		t.Fatalf("%v in\n%s", err, group)
	}
	return textproto.MIMEHeader(m.Header)
}

// Whatever others have written, it stays where it is quoted.
func FuzzBuild(f *testing.F) {
	f.Add("no such user", "rfc822;bob@x", "mx.test [192.0.2.1]", "Subject: s\r\n\r\n", "ENVID", uint8(0))
	f.Add("a\r\nStatus: 2.0.0\r\n\r\n", "x\r\nAction: delivered", "mx\r\n\r\nAction: x", "Subject: a\r\n b\r\nMessage-ID: <a\r\nb>\r\n\r\n", "e\nf", uint8(1))
	f.Add(strings.Repeat("x", 3000), "坏;\xff", "(((", "Subject: =?utf-8?B?DQo=?=\n\x00--=_0", "\u2028", uint8(2))
	f.Fuzz(func(t *testing.T, said, orcpt, remote, original, envid string, how uint8) {
		to := Recipient{
			Address: bob, Action: Action(how % uint8(numActions)), Original: strings.TrimSpace(orcpt), Remote: strings.TrimSpace(remote),
			Reply: reply(550, smtpwire.EnhancedCode{5, uint16(how), uint16(how)}, said, said), Expired: how%2 == 0,
			LastAttempt: arrived, RetryUntil: arrived,
		}
		r := report(0, to, Recipient{Address: addr.Address{Local: "x", Domain: "y.test"}, LastAttempt: arrived})
		r.Original = Original{Data: []byte(original), Whole: true}
		r.EnvelopeID, r.Return, r.Language = envid, Return(how%3), fmt.Sprintf("%.2s", said)
		raw, err := Build(r)
		if err != nil {
			t.Fatal(err)
		}
		check(t, r, raw)
	})
}
