package dsn

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/smtpwire"
)

var update = flag.Bool("update", false, "rewrite the .golden files")

var (
	zone    = time.FixedZone("", 8*3600)
	arrived = time.Date(2026, 3, 1, 9, 5, 7, 0, zone)
	alice   = addr.Address{Local: "alice", Domain: "example.test"}
	bob     = addr.Address{Local: "bob", Domain: "remote.test"}
	carol   = addr.Address{Local: "carol", Domain: "elsewhere.test"}
	lunch   = "Received: from client\r\n\tby mail.example.test; Sun, 01 Mar 2026 09:05:07 +0800\r\n" +
		"From: Alice <alice@example.test>\r\nTo: bob@remote.test\r\nSubject: Lunch on Friday\r\n" +
		"Date: Sun, 01 Mar 2026 09:05:00 +0800\r\nMessage-ID: <lunch@example.test>\r\n\r\n"
)

// report is the frame of a report some time after arrival.
func report(after time.Duration, to ...Recipient) *Report {
	for i := range to {
		to[i].LastAttempt = arrived.Add(after)
	}
	return &Report{
		ID: "0dsn00000000000a", Date: arrived.Add(after), Host: "mail.example.test",
		From: addr.Address{Local: "postmaster", Domain: "example.test"}, To: alice,
		QueueID: "06q8k3v9c0000001", Arrived: arrived, Original: Original{Data: []byte(lunch + "Shall we?\r\n"), Whole: true},
		Recipients: to,
	}
}

func reply(code int, enhanced smtpwire.EnhancedCode, lines ...string) smtpwire.Reply {
	return smtpwire.NewReply(code, enhanced, lines...)
}

// cases are one for each kind of notification; testdata has what comes out.
func cases() map[string]*Report {
	unknown := Recipient{
		Address: bob, Action: Failed, Remote: "mx.remote.test [192.0.2.5]",
		Reply: reply(550, smtpwire.EnhancedCode{5, 1, 1}, "<bob@remote.test>: Recipient address rejected:", "User unknown"),
	}
	tired := Recipient{
		Address: carol, Action: Failed, Expired: true,
		Reply: reply(451, smtpwire.EnhancedCode{4, 4, 1}, "mx.elsewhere.test [198.51.100.7]: connection timed out"),
	}
	late := Recipient{
		Address: carol, Action: Delayed, RetryUntil: arrived.AddDate(0, 0, 5), Remote: "mx.elsewhere.test",
		Reply: reply(451, smtpwire.EnhancedCode{4, 7, 1}, "Greylisted, please try again later"),
	}
	asked := unknown
	asked.Original = "rfc822;Bob+lists@remote.test"

	all := map[string]*Report{
		"01-unknown-user":    report(2*time.Second, unknown),
		"02-tried-in-vain":   report(5*24*time.Hour, tired),
		"03-delayed":         report(4*time.Hour, late),
		"04-relayed":         report(time.Second, Recipient{Address: bob, Action: Relayed, Remote: "mx.remote.test", Reply: reply(250, smtpwire.EnhancedCode{2, 0, 0}, "OK queued")}),
		"05-delivered":       report(time.Second, Recipient{Address: bob, Action: Delivered}),
		"06-mixed":           report(4*time.Hour, late, Recipient{Address: alice, Action: Delivered}, unknown),
		"07-full-and-envid":  report(time.Second, asked),
		"08-no-domain":       report(time.Second, Recipient{Address: bob, Action: Failed, Reply: reply(550, smtpwire.EnhancedCode{5, 1, 2}, "remote.test: no such domain")}),
		"09-chinese":         report(2*time.Second, unknown),
		"10-chinese-delayed": report(4*time.Hour, late),
		"11-utf8":            report(2*time.Second, unknown, Recipient{Address: addr.Address{Local: "张三", Domain: "例子.test"}, Action: Failed, Reply: reply(553, smtpwire.EnhancedCode{5, 6, 7}, "no SMTPUTF8 there")}),
		"12-no-original":     report(2*time.Second, unknown),
		"13-unclean-header":  report(2*time.Second, unknown),
		"14-expanded":        report(time.Second, Recipient{Address: alice, Original: "rfc822;Alice@example.test", Action: Expanded}),
	}
	all["07-full-and-envid"].Return, all["07-full-and-envid"].EnvelopeID = ReturnMessage, "QQ 314159 "+strings.Repeat("x", 80)
	all["09-chinese"].Language, all["10-chinese-delayed"].Language = "zh-CN", "zh"
	chineseMail := strings.Replace(lunch, "Lunch on Friday", "=?utf-8?B?5pif5pyf5LqU5Y2I6aSQ?=", 1)
	all["09-chinese"].Original.Data, all["10-chinese-delayed"].Original.Data = []byte(chineseMail), []byte(chineseMail)
	all["11-utf8"].To = addr.Address{Local: "李四", Domain: "例子.test"}
	all["11-utf8"].Return = ReturnMessage
	all["11-utf8"].Original.Data = []byte("From: 李四 <李四@例子.test>\r\nSubject: 你好\r\n\r\n你好\r\n")
	all["12-no-original"].Original = Original{}
	all["13-unclean-header"].Original.Data = []byte("Subject: bare\nX: nul\x00 and cr\r!\r\n\r\n")
	return all
}

func TestGolden(t *testing.T) {
	for name, r := range cases() {
		t.Run(name, func(t *testing.T) {
			got, err := Build(r)
			if err != nil {
				t.Fatal(err)
			}
			check(t, r, got)
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestNobodyIsTold(t *testing.T) {
	r := report(0, Recipient{Address: bob})
	r.To = addr.Address{}
	if _, err := Build(r); !fault.Is(err, fault.Invalid) {
		t.Errorf("a notification to the null sender: %v", err)
	}
	if _, err := Build(report(0)); !fault.Is(err, fault.Invalid) {
		t.Errorf("a notification about nobody: %v", err)
	}
}

func TestWants(t *testing.T) {
	for _, tc := range []struct {
		notify                             string
		failed, delayed, relayed, delivery bool
	}{
		{"", true, true, false, false},
		{"NEVER", false, false, false, false},
		{"FAILURE", true, false, false, false},
		{"DELAY", false, true, false, false},
		{"SUCCESS", false, false, true, true},
		{"SUCCESS,FAILURE,DELAY", true, true, true, true},
	} {
		var n Notify
		if tc.notify != "" {
			var err error
			if n, err = ParseNotify(strings.ToLower(tc.notify)); err != nil {
				t.Fatal(err)
			}
		}
		got := [4]bool{n.Wants(Failed), n.Wants(Delayed), n.Wants(Relayed), n.Wants(Delivered)}
		if got != [4]bool{tc.failed, tc.delayed, tc.relayed, tc.delivery} {
			t.Errorf("NOTIFY=%s wants %v", tc.notify, got)
		}
		if n.String() != tc.notify {
			t.Errorf("NOTIFY=%s is spelled %s", tc.notify, n)
		}
	}
	for _, bad := range []string{"", "NEVER,DELAY", "ALWAYS", "SUCCESS,", "SUCCESS FAILURE"} {
		if n, err := ParseNotify(bad); err == nil {
			t.Errorf("NOTIFY=%q is read as %s", bad, n)
		}
	}
}

func TestParseReturn(t *testing.T) {
	for _, value := range []string{"HDRS", "FULL"} {
		r, err := ParseReturn(strings.ToLower(value))
		if err != nil || r.String() != value {
			t.Errorf("RET=%s is read as %s, %v", value, r, err)
		}
	}
	if _, err := ParseReturn("ALL"); err == nil {
		t.Error("RET=ALL is let pass")
	}
	if Return(0).String() != "" {
		t.Error("no RET is spelled")
	}
}

// Every language has words for everything.
func TestWordsAreComplete(t *testing.T) {
	for _, language := range []string{"en", "zh-Hans-CN"} {
		w := LanguageOf(language).words()
		for a := range numActions {
			if w.subjects[a] == "" || w.headings[a] == "" {
				t.Errorf("%s: no words for %s", language, a)
			}
		}
		for why, text := range w.reasons {
			if reason(why) != reasonUnknown && text.what == "" {
				t.Errorf("%s: no words for reason %d", language, why)
			}
		}
	}
	if LanguageOf("xx").words() != &english {
		t.Error("an unknown language is not English")
	}
}

func TestStatus(t *testing.T) {
	for _, tc := range []struct {
		name string
		to   Recipient
		want string
	}{
		{"the reply's", Recipient{Reply: reply(550, smtpwire.EnhancedCode{5, 2, 1}, "x")}, "5.2.1"},
		{"no enhanced code", Recipient{Reply: reply(550, smtpwire.EnhancedCode{}, "x")}, "5.0.0"},
		{"failed for good with a reply that was not", Recipient{Reply: reply(450, smtpwire.EnhancedCode{4, 2, 0}, "x")}, "5.2.0"},
		{"given up", Recipient{Expired: true, Reply: reply(450, smtpwire.EnhancedCode{4, 2, 0}, "x")}, "4.4.7"},
		{"given up at the sender's wish", Recipient{Expired: true, Status: smtpwire.EnhancedCode{5, 4, 7}}, "5.4.7"},
		{"delayed without a reply", Recipient{Action: Delayed}, "4.0.0"},
		{"delivered", Recipient{Action: Delivered}, "2.0.0"},
	} {
		if got := tc.to.status().String(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}
