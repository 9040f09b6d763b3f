package smtpd

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"posthorn/internal/inbound"
	"posthorn/internal/store"
)

// strictReader reads what a client said, as the standards have it and nothing more:
// it is the other half of every smuggler's pair. From the replies it knows only
// whether a command was carried out.
type strictReader struct {
	input    []byte
	replies  []string // the last line of each
	pending  []byte   // what has come by BDAT
	messages [][]byte // that were accepted
}

func (r *strictReader) reply() (string, bool) {
	if len(r.replies) == 0 {
		return "", false
	}
	reply := r.replies[0]
	r.replies = r.replies[1:]
	return reply, true
}

// read goes through the conversation, from the client's first command.
func (r *strictReader) read() {
	for {
		line, rest, ended := bytes.Cut(r.input, []byte("\n"))
		if !ended {
			return
		}
		r.input = rest
		text, whole := strings.CutSuffix(string(line), "\r")
		verb, args, _ := strings.Cut(strings.TrimRight(text, " \t"), " ")
		size, last, isChunk := chunkOf(verb, args)
		var chunk []byte
		if whole && isChunk {
			if size > len(r.input) {
				return
			}
			chunk, r.input = r.input[:size], r.input[size:]
		}
		reply, ok := r.reply()
		switch {
		case !ok:
			return
		case strings.HasPrefix(reply, "354"):
			message, rest, done := strictDots(r.input)
			if !done {
				return
			}
			if reply, _ := r.reply(); strings.Contains(reply, "Accepted as") {
				r.messages = append(r.messages, message)
			}
			r.input, r.pending = rest, nil
		case isChunk && strings.HasPrefix(reply, "250"):
			r.pending = append(r.pending, chunk...)
			if last {
				r.messages = append(r.messages, r.pending)
				r.pending = nil
			}
		case strings.HasPrefix(reply, "250") && !strings.EqualFold(verb, "NOOP"), isChunk && last:
			r.pending = nil
		}
	}
}

// chunkOf reads BDAT.
func chunkOf(verb, args string) (size int, last, ok bool) {
	words := strings.Fields(args)
	if !strings.EqualFold(verb, "BDAT") || len(words) == 0 {
		return 0, false, false
	}
	size, err := strconv.Atoi(words[0])
	return size, len(words) == 2 && strings.EqualFold(words[1], "LAST"), err == nil && size >= 0 && words[0][0] != '+'
}

// strictDots is the definition of a message after DATA: lines end in CRLF, a line of
// one dot is the end, and the first dot of any other line goes.
func strictDots(stream []byte) (message, rest []byte, done bool) {
	for {
		line, after, ok := bytes.Cut(stream, []byte("\r\n"))
		if !ok {
			return nil, nil, false
		}
		stream = after
		if string(line) == "." {
			return message, stream, true
		}
		message = append(append(message, bytes.TrimPrefix(line, []byte("."))...), "\r\n"...)
	}
}

// tracePattern is what the server puts in front of a message.
var tracePattern = regexp.MustCompile(`^Return-Path: <[^\r\n]*>\r\nReceived: (?:[^\r\n]*\r\n\t)+[^\r\n]* [+-][0-9]{4}\r\n$`)

// FuzzSmuggling says anything at all to a server and to a strict reader. They must
// agree on every message that is accepted, to the byte, by DATA and by BDAT: whatever
// a client sends is read in one way only.
func FuzzSmuggling(f *testing.F) {
	envelope := "MAIL FROM:<a@remote.test>\r\nRCPT TO:<alice@example.test>\r\n"
	for _, seed := range []string{
		envelope + "DATA\r\nSubject: x\r\n\r\n..\r\n.\r\n" + envelope + "DATA\r\na\r\n.\r\nQUIT\r\n",
		envelope + "DATA\r\na\n.\r\n" + envelope + "DATA\r\nb\r\n.\r\n.\r\n",
		envelope + "BDAT 10\r\nSubject: x\r\nBDAT 3\r\n\r\n.BDAT 2 LAST\r\n\r\nNOOP\r\n",
		envelope + "BDAT 7\r\na\r\n.\r\nxBDAT 0 LAST\r\n" + envelope + "BDAT 3 last\r\nb\n\n" + envelope + "DATA\r\nc\r\n.\r\n",
		envelope + "BDAT 4\r\nx\r\n\rBDAT 1 LAST\r\n\nBDAT 6 LAST\r\nQUIT\r\nDATA\r\n.\r\n",
		"MAIL FROM:<a@remote.test> BODY=BINARYMIME\r\nRCPT TO:<bob@example.test>\r\nBDAT 8 LAST\r\na: b\r\n\r\n",
		"BDAT 2\r\nxxBDAT x\r\nMAIL FROM:<>\r\n",
		envelope + "BDAT 5 FOO\r\nDATA\r" + "DATA\r\nx\r\n.\r\nRSET\r\nBDAT 3\n" + envelope,
	} {
		f.Add([]byte(seed))
	}
	h := newHouse(f, inbound.Policy{MaxSize: 4096, MaxRecipients: 10, MaxReceived: 10})
	seen := map[string]int{}
	f.Fuzz(func(t *testing.T, input []byte) {
		if bytes.Contains(bytes.ToUpper(input), []byte("STARTTLS")) {
			return // what follows is not for us to read
		}
		h.t = t
		said := append([]byte("EHLO x\r\n"), input...)
		r := strictReader{input: said, replies: converse(t, h, said)}
		r.read()
		stored := h.arrived(seen, "alice")
		others := h.arrived(seen, "bob")
		agree(t, "alice", stored, r.messages)
		agree(t, "bob", others, r.messages)
		if len(r.messages) > len(stored)+len(others) {
			t.Fatalf("%d messages accepted, %d and %d stored", len(r.messages), len(stored), len(others))
		}
	})
}

// converse says all of it to the server and gives the last lines of its replies to
// commands.
func converse(t *testing.T, h *house, said []byte) []string {
	nc := h.servers["mx"].Dial()
	defer nc.Close()
	go func() {
		_, _ = nc.Write(said) // it may be cut off
		_ = nc.(interface{ CloseWrite() error }).CloseWrite()
	}()
	output, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	var replies []string
	for line := range strings.Lines(string(output)) {
		if line[3] == ' ' {
			replies = append(replies, line)
		}
	}
	return replies[1:] // without the greeting
}

// arrived gives the messages that are new in somebody's INBOX.
func (h *house) arrived(seen map[string]int, name string) []string {
	ctx, account := context.Background(), h.account(name)
	snap, err := account.Snapshot(ctx, store.InboxID)
	h.must(err)
	var fresh []string
	for seq := seen[name] + 1; seq <= snap.Len(); seq++ {
		body, err := account.Body(ctx, snap, snap.At(seq).UID)
		h.must(err)
		text, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
		h.must(err)
		h.must(body.Close())
		fresh = append(fresh, string(text))
	}
	seen[name] = snap.Len()
	return fresh
}

// agree says whether what is stored is part of what was accepted, in its order. The
// last line of a chunk may have got its end.
func agree(t *testing.T, name string, stored []string, accepted [][]byte) {
	for _, text := range stored {
		found := false
		for len(accepted) > 0 && !found {
			for _, end := range []string{"", "\r\n"} {
				head, ok := strings.CutSuffix(text, string(accepted[0])+end)
				found = found || ok && tracePattern.MatchString(head)
			}
			accepted = accepted[1:]
		}
		if !found {
			t.Fatalf("%s has a message that nobody sent: %q", name, text)
		}
	}
}
