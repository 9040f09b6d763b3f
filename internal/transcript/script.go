package transcript

import (
	"regexp"
	"strings"
)

// step is one thing that is done and what is then expected.
type step struct {
	action  line // its op is "" for opening a connection and for the script's start
	expects []line
}

// line is one line of a script, understood.
type line struct {
	number int
	text   string // as written
	conn   string
	op     string // an operator (">", "<", …), or a verb
	arg    string
}

var (
	talkLine  = regexp.MustCompile(`^(\w+)(>=|>@|>|<\*|<<|<|!)(?: (.*))?$`)
	stateLine = regexp.MustCompile(`^(\w+) (close|closed|stall|resume|starttls|compress)$`)
)

func parseLine(number int, text string) line {
	l := line{number: number, text: text}
	if m := talkLine.FindStringSubmatch(text); m != nil {
		l.conn, l.op, l.arg = m[1], m[2], m[3]
	} else if m := stateLine.FindStringSubmatch(text); m != nil {
		l.conn, l.op = m[1], m[2]
	} else if trimmed := strings.TrimSpace(text); trimmed != "" && trimmed[0] != '#' {
		l.op, l.arg, _ = strings.Cut(trimmed, " ")
	}
	return l
}

func (l line) expects() bool {
	switch l.op {
	case "<", "<*", "<<", "!", "closed":
		return true
	}
	return false
}

// parse groups the lines of a script into steps. Remarks and empty lines stay
// with the step before them, so that a rewritten script keeps them.
func parse(script string) []*step {
	steps := []*step{{}}
	known := map[string]bool{}
	for i, text := range strings.Split(strings.TrimSuffix(script, "\n"), "\n") {
		l := parseLine(i+1, text)
		if l.conn != "" && !known[l.conn] {
			known[l.conn] = true
			steps = append(steps, &step{action: line{number: l.number, conn: l.conn}})
		}
		switch {
		case l.op == "" || l.expects():
			last := steps[len(steps)-1]
			last.expects = append(last.expects, l)
		default:
			steps = append(steps, &step{action: l})
		}
	}
	return steps
}

func render(steps []*step) string {
	var b strings.Builder
	for _, s := range steps {
		if s.action.op != "" {
			b.WriteString(s.action.text + "\n")
		}
		for _, l := range s.expects {
			b.WriteString(l.text + "\n")
		}
	}
	return b.String()
}

var wildcards = regexp.MustCompile(`\.\.\.|\$\{\w+\}`)

// match compares a received line with a pattern, and takes new words from it.
func match(pattern, got string, words map[string]string) bool {
	var expr strings.Builder
	var names []string
	at := 0
	expr.WriteString(`^`)
	for _, w := range wildcards.FindAllStringIndex(pattern, -1) {
		expr.WriteString(regexp.QuoteMeta(pattern[at:w[0]]))
		at = w[1]
		if pattern[w[0]] == '.' {
			expr.WriteString(`.*`)
			continue
		}
		name := pattern[w[0]+2 : w[1]-1]
		if value, ok := words[name]; ok {
			expr.WriteString(regexp.QuoteMeta(value))
			continue
		}
		names = append(names, name)
		expr.WriteString(`([^ ()\[\]]+)`)
	}
	expr.WriteString(regexp.QuoteMeta(pattern[at:]) + `$`)
	m := regexp.MustCompile(expr.String()).FindStringSubmatch(got)
	if m == nil {
		return false
	}
	for i, name := range names {
		words[name] = m[i+1]
	}
	return true
}

// substitute puts known words into a line to send.
func substitute(text string, words map[string]string) string {
	return wildcards.ReplaceAllStringFunc(text, func(w string) string {
		if value, ok := words[strings.Trim(w, "${}")]; ok && w[0] == '$' {
			return value
		}
		return w
	})
}
