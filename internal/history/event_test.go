package history

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"posthorn/internal/obs"
)

func drawEvent(t *rapid.T) *obs.Event {
	text := rapid.OneOf(rapid.Just(""), rapid.SampledFrom([]string{"alice@example.test", "alicia@example.test", "x"}), rapid.String())
	number := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 1<<50))
	moment := func(label string) time.Time { return time.UnixMicro(rapid.Int64Range(1, 1<<52).Draw(t, label)) }
	var texts [numTexts]string
	for i := range texts {
		texts[i] = text.Draw(t, "text")
	}
	e := &obs.Event{
		Kind: obs.EventKind(rapid.Byte().Draw(t, "kind")), Time: moment("time"),
		Size: number.Draw(t, "size"), Took: time.Duration(number.Draw(t, "took")%1e9) * time.Microsecond,
		Attempts: int(number.Draw(t, "attempts")), Mailbox: rapid.Bool().Draw(t, "mailbox"),
	}
	setTexts(e, &texts)
	if ip := rapid.SampledFrom([]string{"", "192.0.2.1", "2001:db8::1"}).Draw(t, "ip"); ip != "" {
		e.Remote = netip.MustParseAddr(ip)
	}
	if rapid.Bool().Draw(t, "next") {
		e.Next = moment("next")
	}
	for range rapid.IntRange(0, 3).Draw(t, "recipients") {
		e.To = append(e.To, obs.EventRecipient{
			Address: text.Draw(t, "to"), Queued: rapid.Bool().Draw(t, "queued"),
			Accounts: rapid.SliceOfN(rapid.Uint64(), 0, 3).Draw(t, "accounts"),
		})
		if last := &e.To[len(e.To)-1]; len(last.Accounts) == 0 {
			last.Accounts = nil
		}
	}
	return e
}

func TestBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBatch(name{}, 0, 0)
		var want []*obs.Event
		for range rapid.IntRange(1, 5).Draw(t, "events") {
			e := drawEvent(t)
			b.add(e)
			want = append(want, e)
		}
		var got []*obs.Event
		err := readBatch(b.out.Record(), func(e *obs.Event) { got = append(got, e) })
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\n%+v\n%+v", err, got, want)
		}
	})
}

// What was found for an event once, is found for it when it is read back.
func TestTokensOutliveTheBatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		b := newBatch(name{}, 0, 0)
		b.add(e)
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		all := func(e *obs.Event) (all []token) {
			tokens(e, func(t token) { all = append(all, t) })
			return all
		}
		index := encodeIndex(slices.Clone(b.marks))
		must(readBatch(b.out.Record(), func(read *obs.Event) {
			if got, want := all(read), all(e); !slices.Equal(got, want) {
				t.Fatalf("%v, want %v", got, want)
			}
		}))
		for _, one := range all(e) {
			has, err := indexHas(index, marksOf([]token{one, 1}))
			must(err)
			if !has {
				t.Fatalf("the index has no %d", one)
			}
		}
	})
}

func TestIndexHasOnlyWhatIsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		marks := rapid.SliceOf(rapid.Uint32Range(0, 50)).Draw(t, "marks")
		wanted := rapid.SliceOf(rapid.Uint64Range(0, 50)).Draw(t, "wanted")
		want := false
		tokens := make([]token, len(wanted))
		for i, w := range wanted {
			tokens[i] = token(w | 1<<40)
			want = want || slices.Contains(marks, uint32(w))
		}
		got, err := indexHas(encodeIndex(slices.Clone(marks)), marksOf(tokens))
		if err != nil || got != want {
			t.Fatalf("%v in %v: %v, %v", wanted, marks, got, err)
		}
	})
}

// Very long texts are cut, and the next event does not suffer.
func TestLongTexts(t *testing.T) {
	long := string(slices.Repeat([]byte("x"), 3*maxText))
	b := newBatch(name{}, 0, 0)
	for range 2 {
		b.add(&obs.Event{Kind: obs.Failed, Message: "id", Reply: long, Host: long + "[192.0.2.1]", MessageID: "<" + long, To: []obs.EventRecipient{{Address: long, Accounts: make([]uint64, maxAccounts+1)}}})
	}
	n := 0
	err := readBatch(b.out.Record(), func(e *obs.Event) {
		n++
		if len(e.Reply) != maxText || len(e.To[0].Address) != maxText || len(e.To[0].Accounts) != maxAccounts || e.Message != "id" {
			t.Errorf("%+v", e)
		}
	})
	if err != nil || n != 2 {
		t.Errorf("%d events, %v", n, err)
	}
}

// Damage is found or harmless; it never panics, nor asks for much memory.
func FuzzRead(f *testing.F) {
	b := newBatch(name{}, 0, 0)
	for n := range 3 {
		b.add(accepted(n))
		b.add(delivered(n))
	}
	f.Add(b.out.Record())
	f.Add(encodeIndex(b.marks))
	f.Add([]byte{batchVersion, 1, 0xff, 0xff, 0xff, 0x7f, 0, 2})
	f.Fuzz(func(t *testing.T, contents []byte) {
		n := 0
		if err := readBatch(contents, func(e *obs.Event) {
			n++
			_ = e.Kind.String()
			tokens(e, func(token) {})
		}); err == nil && n > len(contents) {
			t.Errorf("%d events in %d bytes", n, len(contents))
		}
		_, _ = indexHas(contents, []uint32{0, 1, 1 << 31})
	})
}

// Whatever a person types is a question, or is refused.
func FuzzWhat(f *testing.F) {
	for _, what := range []string{"alice@example.test", "<a@b>", "192.0.2.1", "[IPv6:2001:db8::1]", "06h015knmnnppibk", "例子.测试", "\xff@\xff"} {
		f.Add(what)
	}
	f.Fuzz(func(t *testing.T, what string) {
		if all, err := tokensOf(what); (err == nil) != (len(all) > 0) {
			t.Errorf("%q: %v, %v", what, all, err)
		}
	})
}
