package smtptest

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"strings"

	"posthorn/internal/smtpwire"
)

// session is one connection.
type session struct {
	server *Server
	nc     net.Conn
	r      *bufio.Reader
	counts map[string]int // how often each point was reached

	tls, lmtp bool
	mail      string // empty outside of transactions
	rcpt      []string
	chunks    strings.Builder
}

func (ss *session) run() {
	ss.r = bufio.NewReader(ss.nc)
	if ss.server.find("handshake", "", 0, "") == "implicit" && !ss.startTLS() {
		return
	}
	if _, ok := ss.act("greeting", "", "220 mx.test ESMTP"); !ok {
		return
	}
	for {
		line, err := ss.r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\r\n")
		ss.server.note(line)
		verb, args, _ := strings.Cut(line, " ")
		if !ss.command(strings.ToUpper(verb), args) {
			return
		}
	}
}

func (s *Server) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, line)
}

// act does what the rules say, and gives the code of the reply.
func (ss *session) act(point, words, usual string) (code int, ok bool) {
	action := ss.action(point, words, usual)
	return codeOf(action), ss.do(action)
}

// action is what is to be done at a point.
func (ss *session) action(point, words, usual string) string {
	ss.counts[point]++
	return ss.server.find(point, words, ss.counts[point], usual)
}

// codeOf is the code of the reply that an action is; 0 if it is none.
func codeOf(action string) int {
	lines := strings.Split(action, "|")
	last := lines[len(lines)-1]
	code, err := strconv.Atoi(last[:min(3, len(last))])
	if err != nil {
		return 0
	}
	return code
}

// do carries an action out, and says whether the connection goes on.
func (ss *session) do(action string) bool {
	reply, closing := strings.CutSuffix(action, "!close")
	switch action {
	case "hang":
		_, _ = io.Copy(io.Discard, ss.r) // until the client gives up
		return false
	case "stall":
		<-ss.server.done
		return false
	case "close":
		return false
	case "garbage":
		reply = "<html>\xff\x00</html>"
	case "endless":
		return ss.endless()
	}
	_, err := io.WriteString(ss.nc, strings.ReplaceAll(strings.TrimSpace(reply), "|", "\r\n")+"\r\n")
	return err == nil && !closing
}

func (ss *session) endless() bool {
	line := "550-" + strings.Repeat("blah ", 200) + "\r\n"
	for range 10_000_000 / len(line) {
		if _, err := io.WriteString(ss.nc, line); err != nil {
			return false
		}
	}
	_, err := io.WriteString(ss.nc, "550 enough\r\n")
	return err == nil
}

// command carries out one command, as a server that has no rules would.
func (ss *session) command(verb, args string) (ok bool) {
	code := 0
	switch verb {
	case "EHLO", "LHLO":
		ss.lmtp = verb == "LHLO"
		ss.server.mu.Lock()
		lines := append([]string{"mx.test"}, ss.server.offers...)
		ss.server.mu.Unlock()
		reply := "250-" + strings.Join(lines[:len(lines)-1], "|250-") + "|250 " + lines[len(lines)-1]
		if len(lines) == 1 {
			reply = "250 mx.test"
		}
		_, ok = ss.act(verb, args, reply)
	case "MAIL":
		if code, ok = ss.act(verb, args, "250 2.1.0 Sender noted"); code == 250 {
			ss.mail, ss.rcpt = args, nil
		}
	case "RCPT":
		usual := "250 2.1.5 Recipient noted"
		if ss.mail == "" {
			usual = "503 5.5.1 MAIL first"
		}
		if code, ok = ss.act(verb, args, usual); code/100 == 2 {
			ss.rcpt = append(ss.rcpt, args)
		}
	case "DATA":
		usual := "354 Go on"
		if len(ss.rcpt) == 0 {
			usual = "503 5.5.1 RCPT first"
		}
		if code, ok = ss.act(verb, args, usual); ok && code == 354 {
			ok = ss.data()
		}
	case "BDAT":
		ok = ss.bdat(args)
	case "RSET":
		ss.mail, ss.rcpt = "", nil
		_, ok = ss.act(verb, args, "250 2.0.0 Forgotten")
	case "STARTTLS":
		if code, ok = ss.act(verb, args, "220 2.0.0 Go on"); ok && code == 220 {
			ok = ss.startTLS()
		}
	case "AUTH":
		ok = ss.auth(args)
	case "QUIT":
		ss.act(verb, args, "221 2.0.0 Bye")
	default:
		_, ok = ss.act(verb, args, "250 2.0.0 Fine")
	}
	return ok
}

// data takes a message, in the strictest way.
func (ss *session) data() bool {
	var dots smtpwire.DotReader
	var text strings.Builder
	for {
		if _, err := ss.r.Peek(1); err != nil {
			return false
		}
		if action := ss.server.find("content", "", 0, ""); action != "" {
			if _, ok := ss.act("content", "", action); !ok {
				return false
			}
		}
		p, _ := ss.r.Peek(ss.r.Buffered())
		out, consumed, done := dots.Feed(p)
		text.Write(out)
		ss.r.Discard(consumed)
		if !done {
			continue
		}
		if dots.BareCR || dots.BareLF {
			ss.server.t.Errorf("smtptest: a lone CR or LF in %q", text.String())
		}
		return ss.end(text.String())
	}
}

// end is the end of a message.
func (ss *session) end(text string) bool {
	m := Message{Mail: ss.mail, Data: text, TLS: ss.tls}
	// One reply is for all recipients, or, with LMTP, for one of them.
	replies := [][]string{ss.rcpt}
	if ss.lmtp {
		replies = nil
		for _, to := range ss.rcpt {
			replies = append(replies, []string{to})
		}
	}
	usual := "250 2.0.0 Taken"
	if len(ss.rcpt) == 0 {
		usual = "554 5.5.1 A message for nobody"
	}
	ss.mail, ss.rcpt = "", nil
	var actions []string
	for _, rcpt := range replies {
		action := ss.action("end", strings.Join(rcpt, " "), usual)
		actions = append(actions, action)
		if codeOf(action) == 250 {
			m.Rcpt = append(m.Rcpt, rcpt...)
		}
	}
	if len(m.Rcpt) > 0 { // it is there before the client hears of it
		ss.server.take(m)
	}
	for _, action := range actions {
		if !ss.do(action) {
			return false
		}
	}
	return true
}

func (s *Server) take(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
}

func (ss *session) bdat(args string) bool {
	size, last, _ := strings.Cut(args, " ")
	n, err := strconv.Atoi(size)
	if err != nil {
		ss.server.t.Errorf("smtptest: BDAT %s", args)
		return false
	}
	if _, err := io.CopyN(&ss.chunks, ss.r, int64(n)); err != nil {
		return false
	}
	if last == "LAST" {
		text := ss.chunks.String()
		ss.chunks.Reset()
		return ss.end(text)
	}
	_, ok := ss.act("BDAT", args, "250 2.0.0 Go on")
	return ok
}

// auth takes whatever it is given, but by SCRAM.
func (ss *session) auth(args string) bool {
	mechanism, initial, _ := strings.Cut(args, " ")
	if strings.HasPrefix(mechanism, "SCRAM-") {
		return ss.scram(args, mechanism, initial)
	}
	prompts := map[string][]string{"LOGIN": {"334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"}}[mechanism]
	if mechanism == "PLAIN" && initial == "" {
		prompts = []string{"334 "}
	}
	for _, prompt := range prompts {
		code, ok := ss.act("response", args, prompt)
		if !ok || code != 334 {
			return ok
		}
		line, err := ss.r.ReadString('\n')
		if err != nil {
			return false
		}
		ss.server.note(strings.TrimSuffix(line, "\r\n"))
	}
	_, ok := ss.act("AUTH", args, "235 2.7.0 Welcome")
	return ok
}

// startTLS shakes hands, or what the rules call that.
func (ss *session) startTLS() bool {
	if action := ss.server.find("handshake", "", 0, ""); action != "" && action != "implicit" {
		if _, err := ss.r.Peek(1); err != nil {
			return false
		}
		if _, ok := ss.act("handshake", "", action); !ok {
			return false
		}
	}
	ss.server.mu.Lock()
	t := tls.Server(ss.nc, ss.server.tls)
	ss.server.mu.Unlock()
	if t.Handshake() != nil {
		return false
	}
	ss.nc, ss.tls = t, true
	ss.r = bufio.NewReader(t)
	return true
}
