package roster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"posthorn/internal/config"
	"posthorn/internal/fault"
)

// problems are all that is wrong with a document.
type problems struct {
	file string
	all  config.Problems
}

// maxProblems is how many are told; the rest is counted.
const maxProblems = 20

func (p *problems) add(line int, key, format string, args ...any) {
	p.all = append(p.all, config.Problem{File: p.file, Line: line, Key: key, Text: fmt.Sprintf(format, args...)})
}

func (p *problems) count() int { return len(p.all) }

// err is nil if there are none, else of kind Invalid.
func (p *problems) err() error {
	if len(p.all) == 0 {
		return nil
	}
	slices.SortStableFunc(p.all, func(a, b config.Problem) int { return cmp.Compare(a.Line, b.Line) })
	shown := p.all[:min(len(p.all), maxProblems)]
	text := shown.Error()
	if more := len(p.all) - len(shown); more > 0 {
		text += fmt.Sprintf("\nand %d more", more)
	}
	return fault.New(fault.Invalid, "%s", strings.TrimSpace(text))
}
