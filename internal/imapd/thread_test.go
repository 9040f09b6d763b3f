package imapd

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"posthorn/internal/casemap"
	"posthorn/internal/message"

	"pgregory.net/rapid"
)

// threadOf threads messages, given by their headers, and writes the answer.
func threadOf(algorithm string, headers []string) string {
	l := newLetters(len(headers), casemap.Unicode)
	for i, h := range headers {
		l.all[i].date = int64(i)
		l.read(i, []byte(strings.ReplaceAll(h, "\n", "\r\n")))
	}
	o := new(output)
	o.threads(threadAlgorithms[algorithm](l), func(i int32) uint32 { return uint32(i) + 1 })
	return string(o.b)
}

// TestThreads has a message a line, in which "/" stands for the end of a field. Their
// dates are in their order unless they have some.
func TestThreads(t *testing.T) {
	for _, c := range []struct{ name, messages, orderedSubject, references, refs string }{
		{"nothing", "", "", "", ""},
		{"one", "Subject: a", "(1)", "(1)", "(1)"},
		{"a conversation", `
Message-ID: <1@x>/Subject: a
Message-ID: <2@x>/Subject: Re: a/References: <1@x>
Message-ID: <3@x>/Subject: Re: a/References: <1@x> <2@x>
Message-ID: <4@x>/Subject: Re: a/In-Reply-To: <1@x>`, "(1 (2)(3)(4))", "(1 (2 3)(4))", "(1 (2 3)(4))"},
		{"messages that are not there", `
Message-ID: <3@x>/References: <1@x> <2@x>
Message-ID: <4@x>/References: <1@x> <2@x>
Message-ID: <5@x>/References: <8@x> <9@x>`, "(1 (2)(3))", "((1)(2))(3)", "((1)(2))(3)"},
		{"one that is not there, in between", `
Message-ID: <1@x>
Message-ID: <3@x>/References: <1@x> <2@x>
Message-ID: <4@x>/References: <1@x> <2@x>`, "(1 (2)(3))", "(1 (2)(3))", "(1 (2)(3))"},
		{"subjects only", `
Subject: Re: a
Subject: a
Subject: FW: A
Subject: [list] a
Subject: b`, "(1 (2)(3)(4))(5)", "((2 (1)(3))(4))(5)", "(1)(2)(3)(4)(5)"},
		{"quotes and blanks in IDs", `
Message-ID: <"a"@x>
In-Reply-To: your message of <a @x>`, "(1 2)", "(1 2)", "(1 2)"},
		{"loops", `
Message-ID: <1@x>/References: <2@x>
Message-ID: <2@x>/References: <1@x>
Message-ID: <3@x>/References: <3@x>
Message-ID: <4@x>/References: <4@x> <5@x> <4@x> <5@x>
Message-ID: <5@x>`, "(1 (2)(3)(4)(5))", "(2 1)(3)(4)(5)", "(2 1)(3)(4)(5)"},
		{"garbage", `
Message-ID: 1@x/References: 2@x
Message-ID: <>/References: <@x> <x@> <x> < > <<1@x
Message-ID: <1@x/References: "<
Message-ID: <<5@x>>/References: <unclosed@x>/In-Reply-To: <6@x>
Message-ID: <6@x>/References: none/In-Reply-To: Mail from <a@b> <5@x>`, "(1 (2)(3)(4)(5))", "(1)(2)(3)(4)(5)", "(1)(2)(3)(4)(5)"},
		{"one ID twice", `
Message-ID: <1@x>
Message-ID: <1@x>
Message-ID: <3@x>/References: <1@x>`, "(1 (2)(3))", "(1 3)(2)", "(2)(1 3)"},
		{"dates", `
Message-ID: <1@x>/Date: 3 Jan 2000 00:00 +0000
Message-ID: <2@x>/Date: 2 Jan 2000 00:00 +0000
Message-ID: <3@x>/Date: 5 Jan 2000 00:00 +0000/References: <2@x>
Message-ID: <4@x>/Date: 4 Jan 2000 00:00 +0000/References: <2@x>`, "(2 (1)(4)(3))", "(2 (4)(3))(1)", "(1)(2 (4)(3))"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var headers []string
			for line := range strings.SplitSeq(strings.TrimSpace(c.messages), "\n") {
				if line != "" {
					headers = append(headers, strings.ReplaceAll(line, "/", "\n")+"\n")
				}
			}
			for algorithm, want := range map[string]string{"ORDEREDSUBJECT": c.orderedSubject, "REFERENCES": c.references, "REFS": c.refs} {
				if got := threadOf(algorithm, headers); got != want {
					t.Errorf("%s: got %s, want %s", algorithm, got, want)
				}
			}
		})
	}
}

// naiveNode is a message or, with number 0, a dummy, in a tree that is built and changed
// step by step as RFC 5256 §3 tells it.
type naiveNode struct {
	number   int
	subject  string
	reply    bool
	parent   *naiveNode
	children []*naiveNode
}

func (n *naiveNode) detach() {
	if n.parent != nil {
		n.parent.children = slices.DeleteFunc(n.parent.children, func(c *naiveNode) bool { return c == n })
		n.parent = nil
	}
}

func (n *naiveNode) attach(c *naiveNode) {
	c.detach()
	c.parent = n
	n.children = append(n.children, c)
}

func (n *naiveNode) below(other *naiveNode) bool {
	for ; n != nil; n = n.parent {
		if n == other {
			return true
		}
	}
	return false
}

// date is that of the first child for a dummy. Numbers are dates here.
func (n *naiveNode) date() int {
	if n.number == 0 {
		return slices.MinFunc(n.children, byDate).date()
	}
	return n.number
}

func byDate(a, b *naiveNode) int { return a.date() - b.date() }

func (n *naiveNode) first() *naiveNode {
	if n.number == 0 {
		return slices.MinFunc(n.children, byDate)
	}
	return n
}

func (n *naiveNode) prune(top bool) {
	for again := true; again; {
		again = false
		for _, c := range slices.Clone(n.children) {
			c.prune(false)
			if c.number != 0 || top && len(c.children) > 1 {
				continue
			}
			c.detach()
			for _, g := range slices.Clone(c.children) {
				n.attach(g)
			}
			again = again || len(c.children) > 0
		}
	}
}

func (n *naiveNode) write(b *strings.Builder) {
	slices.SortFunc(n.children, byDate)
	if n.number != 0 {
		b.WriteString(strconv.Itoa(n.number))
	}
	for _, c := range n.children {
		switch {
		case len(n.children) > 1 && c == n.children[0] && n.number != 0:
			b.WriteString(" (")
		case len(n.children) > 1:
			b.WriteString("(")
		default:
			b.WriteString(" ")
		}
		c.write(b)
		if len(n.children) > 1 {
			b.WriteString(")")
		}
	}
}

type naiveMessage struct {
	id, subject string
	refs        []string
}

func naiveReferences(messages []naiveMessage) string {
	byID := map[string]*naiveNode{}
	var nodes, all []*naiveNode
	for i, m := range messages {
		base, reply := message.BaseSubject(m.subject)
		n := &naiveNode{number: i + 1, subject: string(casemap.Append(nil, base)), reply: reply}
		nodes, all = append(nodes, n), append(all, n)
		if byID[m.id] == nil {
			byID[m.id] = n
		}
	}
	for i, m := range messages {
		var last *naiveNode
		for _, id := range m.refs {
			n := byID[id]
			if n == nil {
				n = new(naiveNode)
				byID[id] = n
				all = append(all, n)
			}
			if last != nil && n.parent == nil && !last.below(n) {
				last.attach(n)
			}
			last = n
		}
		if n := nodes[i]; n.parent != last || last == nil {
			n.detach()
			if last != nil && !last.below(n) {
				last.attach(n)
			}
		}
	}
	root := new(naiveNode)
	for _, n := range all {
		if n.parent == nil {
			root.attach(n)
		}
	}
	root.prune(true)
	root.mergeSubjects()
	slices.SortFunc(root.children, byDate)
	var b strings.Builder
	for _, n := range root.children {
		b.WriteString("(")
		n.write(&b)
		b.WriteString(")")
	}
	return b.String()
}

func (n *naiveNode) mergeSubjects() {
	slices.SortFunc(n.children, byDate)
	table := map[string]*naiveNode{}
	for _, c := range n.children {
		subject := c.first().subject
		old := table[subject]
		if subject != "" && (old == nil || old.number != 0 && (c.number == 0 || old.reply && !c.reply)) {
			table[subject] = c
		}
	}
	for _, c := range slices.Clone(n.children) {
		subject := c.first().subject
		with := table[subject]
		switch {
		case subject == "" || with == c:
		case with.number == 0 && c.number == 0:
			for _, g := range slices.Clone(c.children) {
				with.attach(g)
			}
			c.detach()
		case with.number == 0, c.reply && !with.reply:
			with.attach(c)
		default:
			dummy := new(naiveNode)
			n.attach(dummy)
			dummy.attach(c)
			dummy.attach(with)
			table[subject] = dummy
		}
	}
}

// TestReferencesModel compares with the tree that is built step by step.
func TestReferencesModel(t *testing.T) {
	subjects := rapid.SampledFrom([]string{"", "a", "Re: a", "Fwd: A", "b", "Re: b"})
	ids := rapid.SampledFrom([]string{"1@x", "2@x", "3@x", "4@x", "5@x", "6@x", "7@x", "8@x", "9@x"})
	rapid.Check(t, func(t *rapid.T) {
		var messages []naiveMessage
		var headers []string
		for range rapid.IntRange(0, 12).Draw(t, "messages") {
			m := naiveMessage{ids.Draw(t, "id"), subjects.Draw(t, "subject"), rapid.SliceOfN(ids, 0, 4).Draw(t, "refs")}
			messages = append(messages, m)
			h := fmt.Sprintf("Message-ID: <%s>\nSubject: %s\n", m.id, m.subject)
			if len(m.refs) > 0 {
				h += "References: <" + strings.Join(m.refs, "> <") + ">\n"
			}
			headers = append(headers, h)
		}
		if got, want := threadOf("REFERENCES", headers), naiveReferences(messages); got != want {
			t.Fatalf("got %s, want %s for\n%s", got, want, strings.Join(headers, "\n"))
		}
	})
}

// TestThreadsAreWhole: whatever the headers say, each message is in the answer once.
func TestThreadsAreWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var chain, shuffled []string
	for i := range 5000 {
		h := fmt.Sprintf("Message-ID: <%d@x>\nReferences: <%d@x> <%d@x>\n", i, i-2, i-1)
		chain = append(chain, h)
	}
	shuffled = slices.Clone(chain)
	rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	backwards := slices.Clone(chain)
	slices.Reverse(backwards)
	for _, headers := range [][]string{chain, shuffled, backwards} {
		checkWhole(t, headers)
	}
}

func checkWhole(t *testing.T, headers []string) {
	t.Helper()
	for algorithm := range threadAlgorithms {
		got := []byte(threadOf(algorithm, headers))
		numbers := bytes.FieldsFunc(got, func(r rune) bool { return r < '0' || r > '9' })
		slices.SortFunc(numbers, bytes.Compare)
		if len(numbers) != len(headers) || len(slices.CompactFunc(numbers, bytes.Equal)) != len(headers) {
			t.Errorf("%s has %d numbers for %d messages", algorithm, len(numbers), len(headers))
		}
		if n := bytes.Count(got, []byte{'('}); n != bytes.Count(got, []byte{')'}) {
			t.Errorf("%s has %d lists that do not end", algorithm, n)
		}
	}
}

// FuzzThreads threads messages with any headers, an empty line between them.
func FuzzThreads(f *testing.F) {
	f.Add("Message-ID: <1@x>\nSubject: a\n\nReferences: <1@x> <2@x>\nSubject: Re: a\n\nIn-Reply-To: <\"2\"@x>")
	f.Add("Message-ID: <1@x>\nReferences: <2@x> <1@x>\n\nMessage-ID: <2@x>\nReferences: <1@x>")
	f.Fuzz(func(t *testing.T, text string) { checkWhole(t, strings.Split(text, "\n\n")) })
}

// BenchmarkThreads threads 50,000 messages: conversations of ten.
func BenchmarkThreads(b *testing.B) {
	l := newLetters(50_000, casemap.Unicode)
	for i := range l.all {
		l.all[i].date = int64(i)
		first := i - i%10
		l.read(i, fmt.Appendf(nil, "Message-ID: <%d@x>\r\nSubject: Re: topic %d\r\nReferences: <%d@x> <%d@x>\r\n", i, first, first, max(first, i-1)))
	}
	for algorithm, make := range threadAlgorithms {
		b.Run(algorithm, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				make(l)
			}
		})
	}
}
