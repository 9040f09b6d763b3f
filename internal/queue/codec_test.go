package queue

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"posthorn/internal/addr"
	"posthorn/internal/blob"
	"posthorn/internal/dsn"
	"posthorn/internal/smtpwire"
)

func drawTime(t *rapid.T, label string) time.Time {
	ms := rapid.Int64Range(-1<<40, 1<<45).Draw(t, label)
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func drawAddress(t *rapid.T) addr.Address {
	return addr.Address{Local: rapid.String().Draw(t, "local"), Domain: rapid.String().Draw(t, "domain")}
}

func TestMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flag := func(label string) bool { return rapid.Bool().Draw(t, label) }
		m := &Message{
			ID: NewID(time.Now()), From: drawAddress(t), Rewritten: drawAddress(t), Account: rapid.Uint64().Draw(t, "account"),
			Body:    Body{Blob: blob.ID(rapid.String().Draw(t, "blob")), Size: rapid.Int64Min(0).Draw(t, "size"), Skip: rapid.Int64Min(0).Draw(t, "skip")},
			Created: drawTime(t, "created"), NotBefore: drawTime(t, "not before"),
			DeliverBy: DeliverBy{drawTime(t, "by"), flag("return"), flag("trace")},
			Priority:  rapid.IntRange(-9, 9).Draw(t, "priority"), Hold: flag("hold"),
			EnvelopeID: rapid.String().Draw(t, "envid"), Return: dsn.Return(rapid.IntRange(0, 2).Draw(t, "ret")),
			EightBit: flag("8bit"), Binary: flag("binary"), UTF8: flag("utf8"), RequireTLS: flag("tls"), TLSOptional: flag("no tls"),
			Language: rapid.String().Draw(t, "language"), Header: []byte(rapid.StringN(1, 50, -1).Draw(t, "header")),
		}
		for range rapid.IntRange(1, 4).Draw(t, "recipients") {
			m.Recipients = append(m.Recipients, Recipient{drawAddress(t), dsn.Notify(rapid.IntRange(0, 15).Draw(t, "notify")), rapid.String().Draw(t, "orcpt")})
		}
		got, err := decodeMessage(m.encode())
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("%v\n%+v\n%+v", err, got, m)
		}
	})
}

// A record as it was written before there was a Header.
func TestEnvelopeOfVersion1(t *testing.T) {
	old := "\x01\x1006h015knmnnppibk\x05alice\fexample.test\x80\xa0\xab\xfe\xf9b\x00\x00\x05\x12\x02b1\xa0\x8d\x06&" +
		"\bQQ314159\x01\x05zh-CN\x01\x03bob\vexample.org\x01\x16rfc822;bob@example.org"
	want := &Message{
		ID: "06h015knmnnppibk", From: address("alice@example.test"), Created: time.UnixMilli(1_700_000_000_000), Priority: -3,
		EightBit: true, RequireTLS: true, EnvelopeID: "QQ314159", Return: dsn.ReturnHeader, Language: "zh-CN",
		Body:       Body{Blob: "b1", Size: 100_000, Skip: 38},
		Recipients: []Recipient{{address("bob@example.org"), dsn.Never, "rfc822;bob@example.org"}},
	}
	got, err := decodeMessage([]byte(old))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v\n%+v\n%+v", err, got, want)
	}
}

func TestProgressRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flag := func(label string) bool { return rapid.Bool().Draw(t, label) }
		p := Progress{
			State: State(rapid.IntRange(0, int(numStates)-1).Draw(t, "state")), Held: flag("held"),
			Attempts: rapid.IntRange(0, 1000).Draw(t, "attempts"), Next: drawTime(t, "next"), Last: drawTime(t, "last"),
			Remote: rapid.String().Draw(t, "remote"), Route: rapid.String().Draw(t, "route"),
			delayTold: flag("told"), owed: flag("owed"), mailbox: flag("mailbox"),
		}
		if flag("reply") {
			p.Reply = smtpwire.NewReply(rapid.IntRange(200, 599).Draw(t, "code"), smtpwire.EnhancedCode{5, 1, 10},
				rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "lines")...)
		}
		got, err := decodeProgress(p.encode())
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Fatalf("%v\n%+v\n%+v", err, got, p)
		}
	})
}

// Damage is found or harmless; it never panics nor asks for memory.
func FuzzDecode(f *testing.F) {
	m := &Message{ID: NewID(time.Now()), Recipients: []Recipient{{Original: "rfc822;x"}}}
	p := Progress{Reply: noReply}
	f.Add(m.encode())
	f.Add(p.encode())
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decodeMessage(b); err == nil && len(m.Recipients) == 0 {
			t.Error("a message without recipients")
		}
		if p, err := decodeProgress(b); err == nil {
			_ = p.State.String()
		}
		_, _ = unsealBody(b)
		_, _ = decodeSerial(b)
	})
}

func TestID(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	seen := map[ID]bool{}
	for slice := range numSlices {
		id := newIDIn(slice, now)
		if err := id.check(); err != nil || sliceOf(id) != slice || seen[id] {
			t.Errorf("%s in slice %d: %v", id, slice, err)
		}
		seen[id] = true
		if at, ok := id.Time(); !ok || !at.Equal(now) {
			t.Errorf("%s is of %v, %v", id, at, ok)
		}
	}
	if a, b := NewID(now), NewID(now.Add(time.Millisecond)); a >= b {
		t.Errorf("%s is not before %s", a, b)
	}
	for _, bad := range []ID{"", "short", "0123456789abcdeF", "0123456789abcdew", "0123456789abcdef0"} {
		if bad.check() == nil {
			t.Errorf("%q is let pass", bad)
		}
		if _, ok := bad.Time(); ok {
			t.Errorf("%q has a time", bad)
		}
	}
	if s := ShardOf("000000000000000v"); s != "q/0f" {
		t.Errorf("shard %s", s)
	}
}

func TestReplyIsBounded(t *testing.T) {
	lines := make([]string, 1000)
	for i := range lines {
		lines[i] = string(make([]byte, 10_000))
	}
	r := bounded(smtpwire.NewReply(550, smtpwire.EnhancedCode{}, lines...))
	if len(r.Lines) != maxReplyLines || len(r.Lines[0]) != maxReplyLine {
		t.Errorf("%d lines of %d bytes are kept", len(r.Lines), len(r.Lines[0]))
	}
}
