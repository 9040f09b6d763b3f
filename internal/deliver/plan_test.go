package deliver

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/dsn"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/queue"
	"posthorn/internal/srs"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// street is a Router and the directory that it asks: alice (1), bob (2), who has a copy
// sent to bob@home.test, and carol (3), whose mail goes to carol@home.test; friend,
// who is at Friend@elsewhere.test; all, which is the lot.
func street(t *testing.T) *Router {
	t.Helper()
	ctx := t.Context()
	d := directory.New(memkv.New(memkv.Options{Rerun: true}), directory.Options{
		Hash: directory.HashParams{Memory: 8, Passes: 1, Threads: 1}, Clock: clock,
	})
	t.Cleanup(d.Close)
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(d.AddDomain(ctx, "example.test"))
	for _, name := range []string{"alice", "bob", "carol"} {
		must(d.AddAccount(ctx, parse(t, name+"@example.test"), "secret"))
	}
	must(d.SetForward(ctx, parse(t, "bob@example.test"), true, parse(t, "bob@home.test")))
	must(d.SetForward(ctx, parse(t, "carol@example.test"), false, parse(t, "carol@home.test")))
	must(d.AddAlias(ctx, parse(t, "friend@example.test"), parse(t, "Friend@elsewhere.test")))
	must(d.AddAlias(ctx, parse(t, "all@example.test"), parse(t, "alice@example.test"), parse(t, "bob@example.test"), parse(t, "carol@example.test"), parse(t, "friend@example.test")))
	return &Router{Directory: d, Hostname: "mail.example.test", Clock: clock}
}

func parse(t *testing.T, text string) addr.Address {
	t.Helper()
	if text == "" {
		return addr.Address{}
	}
	a, err := addr.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// mail is a message to "address" or "address NOTIFY" or "address NOTIFY ORCPT".
func mail(t *testing.T, r *Router, from, header string, to ...string) *Mail {
	t.Helper()
	m := &Mail{Header: []byte(header), Envelope: &queue.Message{
		ID: queue.NewID(noon), From: parse(t, from), Created: noon, EnvelopeID: "env", Return: dsn.ReturnMessage,
		Header: []byte("DKIM-Signature: x\r\n"), Body: queue.Body{Data: []byte("text\r\n"), Size: 6},
	}}
	for _, text := range to {
		words := append(strings.Fields(text), "", "")
		one := &Recipient{Recipient: queue.Recipient{Address: parse(t, words[0]), Original: words[2]}}
		var err error
		if words[1] != "" {
			if one.Notify, err = dsn.ParseNotify(words[1]); err != nil {
				t.Fatal(err)
			}
		}
		if one.Resolution, err = r.Directory.ResolveFrom(t.Context(), m.Envelope.From, one.Address); err != nil {
			t.Fatal(err)
		}
		if one.Resolution.Outcome == directory.NotLocal {
			one.Resolution.Forward = []directory.Forward{{Address: one.Address}}
		}
		m.To = append(m.To, one)
	}
	return m
}

// show writes a plan down: accounts, then a line for each part and recipient, then the fates.
func show(p Plan, m *Mail) string {
	var b strings.Builder
	fmt.Fprintln(&b, "accounts", p.Accounts)
	for _, part := range p.Queue {
		from := part.ReversePath().String()
		if !part.Rewritten.IsZero() { // without the hash
			from = from[:len("SRS0=")] + "*" + from[len("SRS0=123456"):]
		}
		by, _, _ := strings.Cut(strings.TrimSuffix(string(part.Header), "DKIM-Signature: x\r\n"), "\r\n")
		fmt.Fprintf(&b, "part from <%s> %s\n", from, by)
		for _, to := range part.Recipients {
			fmt.Fprintf(&b, "  to %s %s %s\n", to.Address, to.Notify, to.Original)
		}
	}
	for _, to := range m.To {
		fmt.Fprintln(&b, to.Address, [...]string{Kept: "kept", PassedOn: "passed on", Spread: "spread", Looped: "looped"}[to.Fate])
	}
	return b.String()
}

func TestPlan(t *testing.T) {
	r := street(t)
	for _, tc := range []struct {
		name, from, header string
		to                 []string
		want               string
	}{
		{
			name: "to mailboxes", from: "x@remote.test", to: []string{"alice@example.test SUCCESS", "alice+tag@example.test"},
			want: "accounts [1]\nalice@example.test kept\nalice+tag@example.test kept\n",
		},
		{
			name: "a stranger's goes on under our name", from: "X@remote.test", to: []string{"friend@example.test SUCCESS,DELAY", "alice@example.test"},
			want: `accounts [1]
part from <SRS0=*=BB=remote.test=X@example.test> Delivered-To: friend@example.test
  to Friend@elsewhere.test SUCCESS,DELAY rfc822;friend@example.test
friend@example.test passed on
alice@example.test kept
`,
		},
		{
			name: "our own goes on under its own", from: "alice@example.test", to: []string{"friend+tag@example.test", "two@elsewhere.test SUCCESS"},
			want: `accounts []
part from <alice@example.test> 
  to two@elsewhere.test SUCCESS 
part from <alice@example.test> Delivered-To: friend@example.test
  to Friend@elsewhere.test  rfc822;friend+tag@example.test
friend+tag@example.test passed on
two@elsewhere.test passed on
`,
		},
		{
			name: "a bounce stays one", from: "", to: []string{"bob@example.test FAILURE"},
			want: `accounts [2]
part from <> Delivered-To: bob@example.test
  to bob@home.test FAILURE rfc822;bob@example.test
bob@example.test spread
`,
		},
		{
			name: "a group confirms nothing itself", from: "x@remote.test", to: []string{"all@example.test SUCCESS rfc822;old@example.test"},
			want: `accounts [1 2]
part from <SRS0=*=BB=remote.test=x@example.test> Delivered-To: friend@example.test
  to Friend@elsewhere.test NEVER rfc822;old@example.test
part from <SRS0=*=BB=remote.test=x@example.test> Delivered-To: bob@example.test
  to bob@home.test NEVER rfc822;old@example.test
part from <SRS0=*=BB=remote.test=x@example.test> Delivered-To: carol@example.test
  to carol@home.test NEVER rfc822;old@example.test
all@example.test spread
`,
		},
		{
			name: "everybody once, the sender's own words first", from: "alice@example.test",
			to: []string{"all@example.test SUCCESS,FAILURE", "Friend@elsewhere.TEST NEVER", "Friend@elsewhere.test", "friend@example.test SUCCESS", "carol@home.test", "bob@example.test"},
			want: `accounts [1 2]
part from <alice@example.test> 
  to Friend@elsewhere.TEST NEVER 
  to carol@home.test  
part from <alice@example.test> Delivered-To: bob@example.test
  to bob@home.test FAILURE rfc822;all@example.test
all@example.test spread
Friend@elsewhere.TEST passed on
Friend@elsewhere.test passed on
friend@example.test spread
carol@home.test passed on
bob@example.test spread
`,
		},
		{
			name: "what comes back is kept, not forwarded again", from: "x@remote.test", header: "Delivered-To: bob@example.test\r\n", to: []string{"bob@example.test"},
			want: "accounts [2]\nbob@example.test spread\n",
		},
		{
			name: "what comes back to who keeps nothing", from: "x@remote.test", header: "Received: x\r\nDELIVERED-TO:  carol@example.test \r\n", to: []string{"carol+x@example.test"},
			want: "accounts []\ncarol+x@example.test looped\n",
		},
		{
			name: "what others have forwarded", from: "x@remote.test", header: "Delivered-To: not an address\r\nDelivered-To: carol@home.test\r\n", to: []string{"carol@example.test"},
			want: `accounts []
part from <SRS0=*=BB=remote.test=x@example.test> Delivered-To: carol@example.test
  to carol@home.test  rfc822;carol@example.test
carol@example.test passed on
`,
		},
		{
			name: "a sender too long to be rewritten", from: strings.Repeat("x", 240) + "@remote.test", to: []string{"friend@example.test"},
			want: "accounts []\npart from <" + strings.Repeat("x", 240) + "@remote.test> Delivered-To: friend@example.test\n" +
				"  to Friend@elsewhere.test  rfc822;friend@example.test\nfriend@example.test passed on\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := mail(t, r, tc.from, tc.header, tc.to...)
			plan, err := r.Plan(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(plan, m); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
			ids := map[queue.ID]bool{}
			for i, part := range plan.Queue {
				if ids[part.ID] || queue.ShardOf(part.ID) != plan.Shards()[0] || i == 0 && part.ID != m.Envelope.ID {
					t.Errorf("part %d is called %s", i, part.ID)
				}
				ids[part.ID] = true
				if !strings.HasSuffix(string(part.Header), "DKIM-Signature: x\r\n") || part.EnvelopeID != "env" || part.Return != dsn.ReturnMessage {
					t.Errorf("part %d has lost something: %+v", i, part)
				}
			}
		})
	}
}

// A bounce to a return address of ours goes to the sender behind it, as it is.
func TestPlanOfABounce(t *testing.T) {
	r := street(t)
	m := mail(t, r, "X@remote.test", "", "friend@example.test")
	plan, err := r.Plan(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	back := mail(t, r, "", "Delivered-To: friend@example.test\r\n", plan.Queue[0].Rewritten.String())
	plan, err = r.Plan(t.Context(), back)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Accounts) > 0 || len(plan.Queue) != 1 || !plan.Queue[0].ReversePath().IsZero() || len(plan.Queue[0].Recipients) != 1 ||
		plan.Queue[0].Recipients[0].Address != parse(t, "X@remote.test") || !srs.Is(back.To[0].Address.Local) {
		t.Errorf("got\n%s", show(plan, back))
	}
}

func TestTell(t *testing.T) {
	r := street(t)
	for _, tc := range []struct {
		name, from, header string
		to, want           []string
	}{
		{"nobody asked", "x@remote.test", "", []string{"alice@example.test", "all@example.test NEVER", "bob@example.test FAILURE"}, nil},
		{"nobody to tell", "", "", []string{"alice@example.test SUCCESS"}, nil},
		{"in a mailbox", "x@remote.test", "", []string{"alice@example.test SUCCESS rfc822;al@example.test", "bob@example.test"}, []string{"alice@example.test delivered rfc822; al@example.test"}},
		{"on to one", "x@remote.test", "", []string{"friend@example.test SUCCESS"}, nil},
		{"to several", "x@remote.test", "", []string{"all@example.test SUCCESS,DELAY", "bob@example.test SUCCESS"}, []string{"all@example.test expanded", "bob@example.test expanded"}},
		{"in circles", "x@remote.test", "Delivered-To: carol@example.test\r\n", []string{"carol@example.test", "alice@example.test SUCCESS"}, []string{"carol@example.test failed", "alice@example.test delivered"}},
		{"in circles, unheard", "x@remote.test", "Delivered-To: carol@example.test\r\n", []string{"carol@example.test NEVER", "alice@example.test"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := mail(t, r, tc.from, tc.header+"Subject: lunch\r\n", tc.to...)
			m.Envelope.Language = "zh-CN"
			plan, err := r.Plan(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			before := len(plan.Queue)
			if plan, err = r.Tell(plan, m); err != nil {
				t.Fatal(err)
			}
			if len(tc.want) == 0 {
				if len(plan.Queue) != before {
					t.Errorf("told:\n%s", plan.Queue[before].Body.Data)
				}
				return
			}
			if len(plan.Queue) != before+1 {
				t.Fatalf("nothing is told")
			}
			notice := plan.Queue[before]
			if !notice.From.IsZero() || len(notice.Recipients) != 1 || notice.Recipients[0].Address != m.Envelope.From || notice.Recipients[0].Notify != dsn.Never {
				t.Errorf("the notification is %+v", notice)
			}
			if got := statuses(t, string(notice.Body.Data)); !slices.Equal(got, tc.want) {
				t.Errorf("told %q, want %q", got, tc.want)
			}
			for _, want := range []string{"Original-Envelope-Id: env\r\n", "Subject: lunch\r\n", "Final-Log-ID: " + string(m.Envelope.ID)} {
				if !strings.Contains(string(notice.Body.Data), want) {
					t.Errorf("the notification has no %q:\n%s", want, notice.Body.Data)
				}
			}
		})
	}
}

// statuses are what a notification says of each recipient: "address action original".
func statuses(t *testing.T, text string) []string {
	t.Helper()
	var all []string
	var original, final string
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ": ")
		switch name {
		case "Original-Recipient":
			original = " " + value
		case "Final-Recipient":
			final = strings.TrimPrefix(value, "rfc822; ")
		case "Action":
			all = append(all, final+" "+value+original)
			original = ""
		}
	}
	return all
}
