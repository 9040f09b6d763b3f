package outbound

import (
	"bytes"
	"context"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/mtasts"
	"posthorn/internal/queue"
	"posthorn/internal/wire/wiretest"
)

var update = flag.Bool("update", false, "rewrite testdata/fates.txt")

// fate is a message to bob@remote.test, and what is wrong with the world.
type fate struct {
	rules       string // of mx.remote.test, as smtptest has them
	zone        string // instead of one in which remote.test has that server
	sts         string // mode of the domain's MTA-STS policy, which names that server
	certificate string // that it shows, as in certificates
	mended      time.Duration
}

const oneServer = "remote.test MX 10 mx.remote.test.\nmx.remote.test A 192.0.2.1\n"

// fates are all that is tried, chapter by chapter.
func fates() map[string][]fate {
	all := map[string][]fate{}
	for _, point := range []string{"greeting", "EHLO", "MAIL", "RCPT", "DATA", "content", "end"} {
		for _, fault := range []string{
			"hang", "close", "garbage", "endless", "450 4.2.0 Not now", "550 5.7.1 Never", "421 4.3.2 Leaving!close",
		} {
			all["1 The server fails at one stage"] = append(all["1 The server fails at one stage"], fate{rules: point + ": " + fault})
		}
	}
	all["2 The server takes the message, or not"] = []fate{
		{rules: "end: 250 2.0.0 Taken!close"}, // and drops the connection
		{rules: "end: 554 5.7.1 Spam"},
		{rules: "end: 552 5.3.4 Too large"},
		{rules: "offers: SIZE 10"},
		{rules: "RCPT: 450 4.2.0 Greylisted", mended: 20 * time.Minute},
		{rules: "greeting: close", mended: 30 * time.Hour},
		{rules: "greeting: 521 5.3.2 No mail here"},
		{rules: "greeting: 554 5.7.1 You are on a list"},
		{rules: "EHLO: 250 mx.test|250 And another thing"},
		{rules: "EHLO: 500 What?\nHELO: 250 Hello"},
	}
	for _, rules := range []string{
		"offers: STARTTLS\nSTARTTLS: 454 4.7.0 Not now", "offers: STARTTLS\nSTARTTLS: hang", "offers: STARTTLS\nSTARTTLS: close",
		"offers: STARTTLS\nhandshake: hang", "offers: STARTTLS\nhandshake: close", "offers: STARTTLS\nhandshake: garbage",
	} {
		all["3 STARTTLS is offered and broken"] = append(all["3 STARTTLS is offered and broken"], fate{rules: rules}, fate{rules: rules, sts: "enforce"})
	}
	for _, certificate := range []string{"good", "expired", "misnamed", "self-signed"} {
		for _, mode := range []string{"", "testing", "enforce"} {
			all["4 The certificate is this or that"] = append(all["4 The certificate is this or that"], fate{rules: "offers: STARTTLS", certificate: certificate, sts: mode})
		}
	}
	for _, zone := range []string{
		"remote.test !timeout", "remote.test !servfail", "remote.test !refused", "remote.test !garbage", "remote.test !stranger", "remote.test !lie",
		"remote.test !empty", "remote.test CNAME remote.test.", "", "remote.test TXT nothing",
		"remote.test MX 0 .",
		"remote.test MX 10 our.example.test.", "remote.test MX 10 mx.remote.test.\nmx.remote.test A " + us,
		"remote.test MX 10 mx.remote.test.", "remote.test MX 10 mx.remote.test.\nmx.remote.test !timeout",
		"remote.test MX 10 mx.remote.test.\nmx.remote.test A 192.0.2.66", "remote.test MX 10 mx.remote.test.\nmx.remote.test A 203.0.113.1",
		"remote.test MX 10 mx.remote.test.\nmx.remote.test A 127.0.0.1", "remote.test MX 10 not\\032a\\032name.",
		oneServer + "_mta-sts.remote.test !timeout",
		"remote.test MX 10 dead.remote.test.\nremote.test MX 20 mx.remote.test.\ndead.remote.test A 192.0.2.66\nmx.remote.test A 192.0.2.1",
	} {
		all["5 DNS"] = append(all["5 DNS"], fate{zone: zone + "\n"})
	}
	return all
}

// TestFates tells of each of them when it is tried, what comes of it, and what the
// sender reads in the end: see testdata/fates.txt.
func TestFates(t *testing.T) {
	var got strings.Builder
	got.WriteString("What becomes of a message to bob@remote.test. Made by TestFates; -update rewrites it.\n")
	all := fates()
	for chapter := 1; chapter <= len(all); chapter++ {
		for title, chapterFates := range all {
			if !strings.HasPrefix(title, fmt.Sprint(chapter)) {
				continue
			}
			fmt.Fprintf(&got, "\n# %s\n", title)
			for _, f := range chapterFates {
				synctest.Test(t, func(t *testing.T) { got.WriteString("\n" + f.String() + f.play(t)) })
			}
		}
	}
	const file = "testdata/fates.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		if i >= len(gotLines) || i >= len(wantLines) || gotLines[i] != wantLines[i] {
			t.Fatalf("%s:%d:\ngot  %q\nwant %q", file, i+1, gotLines[min(i, len(gotLines)-1)], wantLines[min(i, len(wantLines)-1)])
		}
	}
}

func (f fate) String() string {
	text := strings.ReplaceAll(strings.TrimSpace(f.rules+"\n"+f.zone), "\n", "; ")
	if text == "" {
		text = "nothing in DNS"
	}
	if f.certificate != "" {
		text += ", " + f.certificate + " certificate"
	}
	if f.sts != "" {
		text += ", MTA-STS " + f.sts
	}
	if f.mended > 0 {
		text += fmt.Sprintf(", mended after %v", f.mended)
	}
	return text + "\n"
}

// play puts the message into a queue and lets five days pass, and some.
func (f fate) play(t *testing.T) string {
	ca := wiretest.NewCA(t)
	zone := f.zone
	if zone == "" {
		zone = oneServer
	}
	w := newWorld(t, zone, map[string]string{"192.0.2.1": f.rules}, func(o *Options) { o.Roots = ca.Roots() })
	policy := shelf{}
	if f.sts != "" {
		policy["remote.test"] = "version: STSv1\nmode: " + f.sts + "\nmx: mx.remote.test\nmax_age: 31557600\n"
	}
	w.out.o.Policies = mtasts.New(mtasts.Options{Resolver: w.dns.Resolver(), Store: policy, Roots: ca.Roots(), Dial: nobody})
	server := w.servers["192.0.2.1"]
	if f.certificate == "" {
		f.certificate = "good"
	}
	shown := certificates(t, ca)[f.certificate]
	if f.certificate != "expired" { // tests run in the year 2000
		shown = ca.Issue(nil, shown.Leaf.DNSNames...)
		if f.certificate == "self-signed" {
			shown = wiretest.NewCA(t).Issue(func(c *x509.Certificate) {}, "mx.remote.test")
		}
	}
	server.Identify(shown)

	s := &story{t: t, began: time.Now(), deliver: w.out.Deliver}
	engine := memkv.New(memkv.Options{})
	q := queue.New(queue.Options{
		Settings: queue.Settings{Hostname: "our.example.test", Postmaster: mailbox("postmaster@example.test")},
		Engine:   engine, Blobs: memblob.New(memblob.Options{}),
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = q.Run(ctx, s.attempt) })
	m := mail("bob@remote.test").message
	m.ID = "0000000000000000" // by which the pauses are jittered
	m.Body = queue.Body{Data: []byte(letter)}
	err := engine.Update(t.Context(), []kv.Shard{queue.ShardOf(m.ID)}, func(tx kv.Tx) error { return queue.Put(tx.In(queue.ShardOf(m.ID)), m) })
	if err != nil {
		t.Fatal(err)
	}
	if f.mended > 0 {
		time.Sleep(f.mended)
		server.Set("")
	}
	time.Sleep(6*24*time.Hour - f.mended)
	cancel()
	running.Wait()
	w.out.Close()
	synctest.Wait()
	if n := w.connections(); n != 0 {
		t.Errorf("%v: %d connections are left open", f, n)
	}
	return s.told(len(server.Messages()))
}

// story is what happened.
type story struct {
	t       *testing.T
	began   time.Time
	deliver queue.Deliver

	mu       sync.Mutex
	attempts []event
	notes    []string
}

type event struct {
	at, took time.Duration
	result   string
}

// attempt is a queue.Deliver that takes down what it does; mail for example.test is
// what the sender reads.
func (s *story) attempt(ctx context.Context, j *queue.Job) []queue.Result {
	if j.Destination == "example.test" {
		content, err := j.Open(ctx)
		if err != nil {
			s.t.Error(err)
			return nil
		}
		defer content.Close()
		text, _ := io.ReadAll(io.NewSectionReader(content, 0, content.Size()))
		s.mu.Lock()
		defer s.mu.Unlock()
		note := fmt.Sprintf("  %-12s the sender is told of the delay\n", since(s.began))
		if words := essence(s.t, text); !strings.Contains(words, "Action: delayed") {
			note = fmt.Sprintf("  %-12s the sender reads\n%s", since(s.began), words)
		}
		s.notes = append(s.notes, note)
		return []queue.Result{{Outcome: queue.Accepted}}
	}
	start := time.Now()
	results := s.deliver(ctx, j)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, event{start.Sub(s.began), time.Since(start), short(tell(results[0]))})
	return results
}

func since(t time.Time) string {
	d := time.Since(t).Round(time.Minute)
	if days := int(d.Hours()) / 24; days > 0 {
		return fmt.Sprintf("%dd%dh%dm", days, int(d.Hours())%24, int(d.Minutes())%60)
	}
	return d.String()
}

// essence is what a notification says of its recipient, in words and for machines.
func essence(t *testing.T, message []byte) string {
	m, err := netmail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	next := func() string {
		part, err := parts.NextPart() // which decodes quoted-printable
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	_, words, _ := strings.Cut(next(), "    bob@remote.test\n")
	words, _, _ = strings.Cut(words, "\n\n")
	var b strings.Builder
	for i, line := range strings.Split(words, "\n") {
		if i == 6 {
			b.WriteString("               | ...\n")
			break
		}
		fmt.Fprintf(&b, "               | %s\n", short(strings.TrimPrefix(line, "    ")))
	}
	for line := range strings.Lines(next()) {
		if strings.HasPrefix(line, "Action: ") || strings.HasPrefix(line, "Status: ") {
			fmt.Fprintf(&b, "               > %s", line)
		}
	}
	return b.String()
}

// short cuts what is too long to be read.
func short(line string) string {
	if head, _, ok := strings.Cut(line, " blah"); ok {
		return head + " blah..." // without end
	}
	return line
}

// told tells the story: attempts with the same result as one.
func (s *story) told(messages int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for i := 0; i < len(s.attempts); {
		first, n := s.attempts[i], 0
		for i < len(s.attempts) && s.attempts[i].result == first.result {
			i, n = i+1, n+1
		}
		times := ""
		if n > 1 {
			times = fmt.Sprintf(" (%d times)", n)
		}
		fmt.Fprintf(&b, "  %-12v %s%s\n", first.at.Round(time.Minute), first.result, times)
		if first.took > 0 {
			fmt.Fprintf(&b, "  %-12s after %v\n", "", first.took)
		}
	}
	for _, note := range s.notes {
		b.WriteString(note)
	}
	switch { // how often exactly depends on who of two hangs up first
	case messages > 1:
		b.WriteString("  the server has it many times\n")
	case messages == 0 && len(s.notes) == 0:
		b.WriteString("  the server does not have it\n")
	}
	return b.String()
}
