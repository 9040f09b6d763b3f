package transcript

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// shouter is a server with just enough behaviour for every kind of script line.
type shouter struct{ others []net.Conn }

func (s *shouter) serve(nc net.Conn) {
	defer nc.Close()
	io.WriteString(nc, "ready\r\n")
	r := bufio.NewReader(nc)
	for {
		nc.SetReadDeadline(time.Now().Add(10 * time.Minute))
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		if rest, ok := strings.CutPrefix(line, "three "); ok {
			io.WriteString(nc, strings.ReplaceAll(rest, " ", "\r\n")+"\r\n")
			continue
		}
		io.WriteString(nc, strings.ToUpper(line)+"\r\n")
		if rest, ok := strings.CutPrefix(line, "tell "); ok {
			for _, o := range s.others {
				if o != nc {
					io.WriteString(o, "heard "+rest+"\r\n")
				}
			}
		}
		if at := strings.LastIndex(line, "{"); at >= 0 {
			size := strings.TrimSuffix(line[at+1:], "}")
			if !strings.HasSuffix(size, "+") {
				io.WriteString(nc, "+\r\n")
			}
			n, _ := strconv.Atoi(strings.TrimSuffix(size, "+"))
			io.CopyN(io.Discard, r, int64(n))
			rest, _ := r.ReadString('\n')
			if rest = strings.TrimSpace(rest); rest != "" {
				io.WriteString(nc, strings.ToUpper(rest)+"\r\n")
			}
		}
	}
}

func TestShout(t *testing.T) {
	Run(t, "testdata/shout.txtar", func(t *testing.T) Options {
		s := &shouter{}
		return Options{Dial: func(string) net.Conn {
			client, server := net.Pipe()
			s.others = append(s.others, server)
			go s.serve(server)
			return client
		}}
	})
}

// What does not hold must be seen, and be put right by -update.
func TestCompare(t *testing.T) {
	tests := []struct {
		name, expects string
		got           []string
		closed        bool
		problem       string
		rewritten     string
	}{
		{name: "as expected", expects: "1< a\n1< b", got: []string{"a", "b"}},
		{name: "other text", expects: "1< a", got: []string{"b"}, problem: "received b", rewritten: "1< b"},
		{name: "too little", expects: "1< a\n1< b", got: []string{"a"}, problem: "nothing more was received", rewritten: "1< a"},
		{name: "too much", expects: "1< a\n# remark", got: []string{"a", "b"}, problem: "also received b", rewritten: "1< a\n1< b\n# remark"},
		{name: "nothing expected", expects: "# remark", got: []string{"a"}, problem: "also received a", rewritten: "1< a\n# remark"},
		{name: "wrong order", expects: "1< a\n1< b", got: []string{"b", "a"}, problem: "received b", rewritten: "1< b\n1< a"},
		{name: "any order", expects: "1<* a\n1<* b", got: []string{"b", "a"}},
		{name: "any order, not twice", expects: "1<* a\n1<* a", got: []string{"b", "a"}, problem: "not received", rewritten: "1< b\n1< a"},
		{name: "any order ends", expects: "1<* a\n1< b\n1<* c", got: []string{"c", "b", "a"}, problem: "not received", rewritten: "1< c\n1< b\n1< a"},
		{name: "skipped", expects: "1<< b", got: []string{"a", "b"}},
		{name: "all skipped", expects: "1< a\n1<<", got: []string{"a", "b", "c"}},
		{name: "skipped, rest", expects: "1<< a", got: []string{"a", "b"}, problem: "also received b", rewritten: "1< a\n1< b"},
		{name: "forbidden", expects: "1<< b\n1! a", got: []string{"a", "b"}, problem: "received a", rewritten: "1< a\n1< b\n1! a"},
		{name: "open", expects: "1 closed", problem: "it is open", rewritten: ""},
		{name: "closed", expects: "1< a\n1 closed", got: []string{"a"}, closed: true},
		{name: "unexpectedly closed", expects: "1< a", got: []string{"a"}, closed: true, problem: "the connection was closed", rewritten: "1< a\n1 closed"},
		{name: "wildcards", expects: "1< a ... (${x}) ${x}", got: []string{"a b c (7) 7"}},
		{name: "same word", expects: "1< ${x} ${y}\n1< ${x}", got: []string{"1 2", "2"}, problem: "received 2", rewritten: "1< 1 2\n1< 2"},
		{name: "others", expects: "2< z", got: nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &step{}
			for _, text := range strings.Split(test.expects, "\n") {
				s.expects = append(s.expects, parseLine(1, text))
			}
			p := &player{words: map[string]string{}}
			if _, problem := p.compare(s, "1", test.got, test.closed); problem != test.problem {
				t.Errorf("problem %q, want %q", problem, test.problem)
			}
			if test.problem == "" {
				return
			}
			p.rewrite(s, "1", test.got, test.closed)
			if got := strings.TrimSuffix(render([]*step{s}), "\n"); got != test.rewritten {
				t.Errorf("rewritten as\n%s\nwant\n%s", got, test.rewritten)
			}
		})
	}
}

func TestParseKeepsTheScript(t *testing.T) {
	script := "# first\n1< hello\n\n1> a\n1< b\n2<* c\nadvance 4h\n1 closed\n"
	if got := render(parse(script)); got != script {
		t.Errorf("got\n%s", got)
	}
}
