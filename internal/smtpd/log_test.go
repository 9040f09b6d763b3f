package smtpd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"posthorn/internal/inbound"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/login"
	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// lines gives the log's lines, each as its fields.
func (l *logBuffer) lines(t *testing.T) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []map[string]any
	for line := range bytes.Lines(l.b.Bytes()) {
		fields := map[string]any{}
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, fields)
	}
	return all
}

// Whatever is accepted or refused is one line, with what an operator asks for.
func TestLog(t *testing.T) {
	log := &logBuffer{}
	h := &house{t: t, log: slog.New(slog.NewJSONHandler(log, nil))}
	h.build(scripted(), memkv.New(memkv.Options{}))
	nc := h.dial("mx")
	defer nc.Close()
	_, err := io.WriteString(nc, "EHLO relay.remote.test\r\nMAIL FROM:<sender@remote.test>\r\nRCPT TO:<nobody@example.test>\r\n"+
		"RCPT TO:<alice@example.test>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n")
	h.must(err)
	replies, err := io.ReadAll(nc)
	h.must(err)

	lines := log.lines(t)
	i := slices.IndexFunc(lines, func(l map[string]any) bool { return l["msg"] == "recipient refused" })
	j := slices.IndexFunc(lines, func(l map[string]any) bool { return l["msg"] == "message accepted" })
	if i < 0 || j < 0 {
		t.Fatalf("log %v", lines)
	}
	refused, accepted := lines[i], lines[j]
	id, _ := accepted["id"].(string)
	if id == "" || !strings.Contains(string(replies), "Accepted as "+id+"\r\n") || refused["id"] != id {
		t.Errorf("the id is %q, of the refusal %v, in replies\n%s", id, refused["id"], replies)
	}
	expect := func(line map[string]any, want map[string]string) {
		t.Helper()
		for key, value := range want {
			got, _ := json.Marshal(line[key])
			if !strings.HasPrefix(strings.Trim(string(got), `"`), value) {
				t.Errorf("%s is %s, want %s", key, got, value)
			}
		}
	}
	expect(refused, map[string]string{
		"level": "INFO", "rule": "unknown-recipient", "reply": "550 5.1.1", "to": "nobody@example.test",
		"from": "sender@remote.test", "remote": "192.0.2.1:", "protocol": "mx",
	})
	expect(accepted, map[string]string{
		"level": "INFO", "from": "sender@remote.test", "to": `["alice@example.test"]`, "size": "14",
		"tls": "none", "remote": "192.0.2.1:", "protocol": "mx",
	})
	if accepted["took"] == nil || accepted["conn"] == nil || accepted["conn"] != refused["conn"] {
		t.Errorf("accepted: %v", accepted)
	}
}

// A transcript of the conversation has no passwords in it.
func TestTranscriptHidesPasswords(t *testing.T) {
	said := &logBuffer{}
	h := newHouse(t, scripted())
	server := New(Options{
		Role: inbound.Submission, Hostname: "mail.example.test", Gate: login.New(login.Options{Directory: h.dir, InClear: true}),
		Acceptor: inbound.New(inbound.Options{Hostname: "mail.example.test", Directory: h.dir, Store: h.store}),
	})
	nc := wiretest.Start(t, wire.Options{Protocol: "watched", Serve: func(ctx context.Context, c *wire.Conn) {
		c.Transcript(said)
		server.Serve(ctx, c)
	}}).Dial()
	defer nc.Close()
	// A wrong password in one line, one after "Password:", and the right one.
	const wrong, login, right = "AGFsaWNlQGV4YW1wbGUudGVzdAB3cm9uZw==", "b25lIG1vcmU=", "AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ="
	_, err := io.WriteString(nc, "EHLO pc\r\nAUTH PLAIN "+wrong+"\r\nAUTH LOGIN "+login+"\r\n"+login+"\r\nAUTH PLAIN\r\n"+right+"\r\nQUIT\r\n")
	h.must(err)
	replies, err := io.ReadAll(nc)
	h.must(err)
	text := said.b.String()
	if !strings.Contains(string(replies), "235 2.7.0") || !strings.Contains(text, "C: EHLO pc\n") || !strings.Contains(text, "C: AUTH [") {
		t.Fatalf("replies\n%s\ntranscript\n%s", replies, text)
	}
	for _, secret := range []string{wrong, login, right} {
		if strings.Contains(text, secret) {
			t.Errorf("transcript\n%s", text)
		}
	}
}

// A sender or recipient that is refused for its spelling is told of like any other.
func TestMisspelledIsTold(t *testing.T) {
	log := &logBuffer{}
	h := &house{t: t, log: slog.New(slog.NewJSONHandler(log, nil))}
	h.build(scripted(), memkv.New(memkv.Options{}))
	nc := h.dial("mx")
	defer nc.Close()
	_, err := io.WriteString(nc, "EHLO relay.remote.test\r\nMAIL FROM:<sender@remote.test> FROBNICATE\r\nMAIL FROM:sender@\r\n"+
		"MAIL FROM:<sender@remote.test>\r\nRCPT TO:<b b@example.test>\r\nRCPT TO:<alice@example.test> X=Y\r\nQUIT\r\n")
	h.must(err)
	_, err = io.ReadAll(nc)
	h.must(err)
	var got []string
	for _, line := range log.lines(t) {
		if what, _ := line["msg"].(string); strings.HasSuffix(what, "refused") {
			reply, _ := line["reply"].(string)
			got = append(got, fmt.Sprint(what, ": ", reply[:3], " to ", line["to"], " from ", line["from"]))
		}
	}
	want := []string{
		"sender refused: 555 to <nil> from sender@remote.test", "sender refused: 501 to <nil> from FROM:sender@",
		"recipient refused: 501 to b b@example.test from sender@remote.test", "recipient refused: 555 to alice@example.test from sender@remote.test",
	}
	if !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
