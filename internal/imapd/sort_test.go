package imapd

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/internal/casemap"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"

	"pgregory.net/rapid"
)

// naiveMail is a message with what it is to be sorted by, as strings and numbers.
type naiveMail struct {
	subject, base string
	mailbox, name string
	sent          string
	date, arrival int64
	to            string
	padding       int
}

func (m *naiveMail) text() string {
	text := fmt.Sprintf("Subject: %s\r\nFrom: %s <%s@example.test>\r\n", m.subject, m.name, m.mailbox)
	if m.sent != "" {
		text += "Date: " + m.sent + "\r\n"
	}
	if m.to != "" {
		text += "To: " + m.to + "\r\n"
	}
	return text + "\r\n" + strings.Repeat("x", m.padding) + "\r\n"
}

// key is what a naive mail is compared by.
func (m *naiveMail) key(k imapwire.SortKey, size uint32) any {
	switch k {
	case imapwire.SortArrival:
		return m.arrival
	case imapwire.SortDate:
		return m.date
	case imapwire.SortSize:
		return int64(size)
	case imapwire.SortSubject:
		return casemap.Append(nil, m.base)
	case imapwire.SortFrom:
		return casemap.Append(nil, m.mailbox)
	case imapwire.SortDisplayFrom:
		return casemap.Append(nil, cmp.Or(m.name, m.mailbox+"@example.test"))
	case imapwire.SortTo, imapwire.SortDisplayTo:
		if to, _, ok := strings.Cut(m.to, "@"); ok && k == imapwire.SortTo {
			return casemap.Append(nil, to)
		}
		return casemap.Append(nil, m.to)
	}
	return []byte{}
}

func compareKeys(a, b any) int {
	if n, ok := a.(int64); ok {
		return cmp.Compare(n, b.(int64))
	}
	return bytes.Compare(a.([]byte), b.([]byte))
}

func drawMail(t *rapid.T) *naiveMail {
	m := new(naiveMail)
	m.base = rapid.SampledFrom([]string{"", "alpha", "Alpha", "alphabet", "straße", "ärger", "zebra 北京", "longer than eight, beta", "longer than eight, alpha"}).Draw(t, "base")
	m.subject = rapid.SampledFrom([]string{"", "Re: ", "[list] Re: ", "Fwd: re: "}).Draw(t, "prefix") + m.base
	m.mailbox = rapid.SampledFrom([]string{"bob", "Bobby", "alice", "ALICE"}).Draw(t, "mailbox")
	m.name = rapid.SampledFrom([]string{"", "Zoe", "anna", "Anna B"}).Draw(t, "name")
	m.to = rapid.SampledFrom([]string{"", "x@example.test", "Y@example.test"}).Draw(t, "to")
	m.arrival = int64(rapid.IntRange(0, 5).Draw(t, "arrival")) * 3600
	m.date = m.arrival
	if rapid.Bool().Draw(t, "dated") {
		m.date = int64(rapid.IntRange(0, 5).Draw(t, "date")) * 3600
		m.sent = time.Unix(m.date, 0).In(time.FixedZone("", 3600*rapid.IntRange(-9, 9).Draw(t, "zone"))).Format(time.RFC1123Z)
	} else {
		m.sent = rapid.SampledFrom([]string{"", "yesterday"}).Draw(t, "no date")
	}
	m.padding = rapid.IntRange(0, 2).Draw(t, "padding")
	return m
}

// TestSortModel compares with a stable sort by each key in turn, the last one first.
func TestSortModel(t *testing.T) {
	keys := rapid.SampledFrom([]imapwire.SortKey{
		imapwire.SortArrival, imapwire.SortCC, imapwire.SortDate, imapwire.SortFrom, imapwire.SortSize,
		imapwire.SortSubject, imapwire.SortTo, imapwire.SortDisplayFrom, imapwire.SortDisplayTo,
	})
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		var mail []*naiveMail
		for range rapid.IntRange(0, 8).Draw(rt, "messages") {
			m := drawMail(rt)
			mail = append(mail, m)
			w.arrive(m.text(), time.Unix(m.arrival, 0))
		}
		found, err := w.account("alice").Open(context.Background(), "INBOX")
		if err != nil {
			rt.Fatal(err)
		}
		s := &session{box: &mailbox{place: place{account: w.account("alice")}, id: found.ID}}
		s.box.view.Snapshot = found.Snapshot
		var criteria []imapwire.SortCriterion
		for range rapid.IntRange(1, 3).Draw(rt, "criteria") {
			criteria = append(criteria, imapwire.SortCriterion{Key: keys.Draw(rt, "key"), Reverse: rapid.Bool().Draw(rt, "reverse")})
		}
		var hits []hit
		want := []int{}
		found.Snapshot.Each(1, found.Snapshot.Len(), func(seq int, e store.Entry) bool {
			hits, want = append(hits, hit{seq: seq, uid: e.UID}), append(want, seq)
			return true
		})
		sorted, err := s.inOrder(context.Background(), criteria, &query{collation: casemap.Unicode}, hits)
		if err != nil {
			rt.Fatal(err)
		}
		for _, c := range slices.Backward(criteria) {
			slices.SortStableFunc(want, func(a, b int) int {
				d := compareKeys(mail[a-1].key(c.Key, found.Snapshot.At(a).Size), mail[b-1].key(c.Key, found.Snapshot.At(b).Size))
				if c.Reverse {
					return -d
				}
				return d
			})
		}
		got := []int{}
		for _, h := range sorted {
			got = append(got, h.seq)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("got %v, want %v by %v", got, want, criteria)
		}
	})
}

// arrive puts a message with an internal date into alice's INBOX.
func (w *world) arrive(text string, at time.Time) {
	in := w.store.NewIncoming(context.Background())
	in.Write([]byte(text))
	m, err := in.Finish()
	if err == nil {
		err = w.account("alice").Update(context.Background(), func(tx *store.Tx) error {
			_, err := tx.Append(store.InboxID, m, store.AppendOptions{InternalDate: at})
			return err
		})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// BenchmarkSortKeys sorts 50,000 messages by subject and date, from their headers.
func BenchmarkSortKeys(b *testing.B) {
	criteria := []imapwire.SortCriterion{{Key: imapwire.SortSubject}, {Key: imapwire.SortDate, Reverse: true}}
	headers := make([][]byte, 50_000)
	for i := range headers {
		headers[i] = fmt.Appendf(nil, "From: a@b\r\nSubject: Re: minutes of meeting %d\r\nDate: Tue, 3 Feb 2026 04:%02d:05 +0800\r\n", i*7919%5000, i%60)
	}
	b.ReportAllocs()
	for b.Loop() {
		k := newSortKeys(criteria, len(headers), casemap.Unicode)
		for i, h := range headers {
			k.fromHeader(i, h)
		}
		k.order()
	}
}
