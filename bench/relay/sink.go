package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// sink is the mail servers of all domains: it takes every message, and counts who
// gets what.
type sink struct {
	listeners []net.Listener
	opened    atomic.Int64
	other     atomic.Int64 // messages to the senders: notifications

	mu       sync.Mutex // guards what follows
	got      []uint8    // by message
	missing  int        // messages that can arrive, and have not
	complete chan struct{}
}

// openSink listens on the addresses of all domains that have a server. It takes the
// process's end to close connections.
func openSink(domains int) (*sink, error) {
	s := &sink{}
	for domain := range domains {
		k := kindOf(domain)
		if k != alive && k != silent {
			continue
		}
		l, err := net.Listen("tcp4", net.JoinHostPort(addressOf(domain).String(), "25"))
		if err != nil {
			s.close()
			return nil, err
		}
		s.listeners = append(s.listeners, l)
		go s.accept(l, k)
	}
	return s, nil
}

func (s *sink) close() {
	for _, l := range s.listeners {
		l.Close()
	}
}

// expect begins a new count.
func (s *sink) expect(t *settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got, s.missing, s.complete = make([]uint8, t.messages), 0, make(chan struct{})
	for i := range s.got {
		if kindOf(i%t.domains) == alive {
			s.missing++
		}
	}
	s.opened.Store(0)
}

func (s *sink) accept(l net.Listener, k kind) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		s.opened.Add(1)
		if k == silent {
			go func() { _, _ = io.Copy(io.Discard, nc); nc.Close() }()
			continue
		}
		go s.serve(nc)
	}
}

const (
	greeting = "220 mx.bench.test ESMTP\r\n"
	hello    = "250-mx.bench.test\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
)

// serve is a session. Replies go out when nothing more has been read, as PIPELINING
// wants it.
func (s *sink) serve(nc net.Conn) {
	defer nc.Close()
	r, w := bufio.NewReaderSize(nc, 16<<10), bufio.NewWriterSize(nc, 1<<10)
	var to []string
	say := func(reply string) { _, _ = w.WriteString(reply) } // Flush tells of errors
	say(greeting)
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(string(line[:min(4, len(line))])); verb {
		case "EHLO", "HELO":
			say(hello)
		case "RCPT":
			to = append(to, string(line))
			say("250 2.1.5 OK\r\n")
		case "DATA":
			say("354 Go ahead\r\n")
			if w.Flush() != nil || skipMessage(r) != nil {
				return
			}
			s.take(to)
			to = to[:0]
			say("250 2.0.0 Taken\r\n")
		case "QUIT":
			say("221 2.0.0 Bye\r\n")
			_ = w.Flush()
			return
		default:
			say("250 2.0.0 OK\r\n")
		}
	}
}

// skipMessage reads up to the line with a dot.
func skipMessage(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if bytes.Equal(line, []byte(".\r\n")) {
			return nil
		}
	}
}

// take counts a message. The recipient's name has its number: RCPT TO:<m17@...
func (s *sink) take(to []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range to {
		_, rest, _ := strings.Cut(line, "<m")
		digits, _, _ := strings.Cut(rest, "@")
		number, err := strconv.Atoi(digits)
		if err != nil || number >= len(s.got) {
			s.other.Add(1)
			continue
		}
		if s.got[number]++; s.got[number] == 1 {
			if s.missing--; s.missing == 0 {
				close(s.complete)
			}
		}
	}
}

func (s *sink) connections() int { return int(s.opened.Load()) }

// twice counts the messages that have come more than once.
func (s *sink) twice() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, times := range s.got {
		if times > 1 {
			n++
		}
	}
	return n
}

func (s *sink) tell() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%d messages had not arrived", s.missing)
}
