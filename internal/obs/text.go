package obs

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// messageWidth is the column that attributes line up behind; longer messages push
// them to the right.
const messageWidth = 28

// textHandler writes lines for people:
//
//	15:04:05.000 info  message delivered            id=c7 from=alice@example.test
//
// A value of several lines (a stack) stands below its line, indented. Whatever a
// peer sent is quoted, so that nobody can forge a line or drive the terminal.
type textHandler struct {
	out    *lockedWriter
	level  slog.Leveler
	colour bool
	prefix string // of the keys: the open groups, each with its dot
	attrs  []byte // given by WithAttrs, formatted
	blocks []byte // values of several lines among them
}

// lockedWriter is shared by a handler and all that derive from it.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func newTextHandler(w io.Writer, level slog.Leveler, colour bool) *textHandler {
	return &textHandler{out: &lockedWriter{w: w}, level: level, colour: colour}
}

func (h *textHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *textHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	derived := *h
	derived.prefix += name + "."
	return &derived
}

func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	derived := *h
	line := line{colour: h.colour, attrs: append([]byte(nil), h.attrs...), blocks: append([]byte(nil), h.blocks...)}
	for _, a := range attrs {
		line.attr(h.prefix, a)
	}
	derived.attrs, derived.blocks = line.attrs, line.blocks
	return &derived
}

func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	l := line{colour: h.colour}
	buf := l.head(make([]byte, 0, 256), r)
	buf = append(buf, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		l.attr(h.prefix, a)
		return true
	})
	buf = append(buf, l.attrs...)
	buf = append(buf, '\n')
	buf = append(buf, h.blocks...)
	buf = append(buf, l.blocks...)

	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := h.out.w.Write(buf)
	return err
}

// line is a log line in the making.
type line struct {
	colour bool
	attrs  []byte // " key=value" …
	blocks []byte // indented lines
}

const (
	faint  = "\x1b[2m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	green  = "\x1b[32m"
	plain  = "\x1b[0m"
)

func (l *line) paint(buf []byte, colour, s string) []byte {
	if !l.colour {
		return append(buf, s...)
	}
	buf = append(buf, colour...)
	buf = append(buf, s...)
	return append(buf, plain...)
}

// head writes the time, the level and the message.
func (l *line) head(buf []byte, r slog.Record) []byte {
	if !r.Time.IsZero() {
		buf = l.paint(buf, faint, r.Time.Format("15:04:05.000"))
		buf = append(buf, ' ')
	}
	name, colour := levelLook(r.Level)
	buf = l.paint(buf, colour, name)
	buf = append(buf, ' ')
	message := printable(r.Message)
	buf = append(buf, message...)
	for n := len(message); n < messageWidth; n++ {
		buf = append(buf, ' ')
	}
	return buf
}

func levelLook(level slog.Level) (name, colour string) {
	switch {
	case level >= slog.LevelError:
		return "error", red
	case level >= slog.LevelWarn:
		return "warn ", yellow
	case level >= slog.LevelInfo:
		return "info ", green
	}
	return "debug", faint
}

func (l *line) attr(prefix string, a slog.Attr) {
	a.Value = a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return
	}
	if a.Value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range a.Value.Group() {
			l.attr(prefix, member)
		}
		return
	}
	key, value := prefix+a.Key, valueText(a.Value)
	if strings.Contains(value, "\n") {
		l.block(key, value)
		return
	}
	l.attrs = append(l.attrs, ' ')
	l.attrs = l.paint(l.attrs, faint, printable(key)+"=")
	l.attrs = append(l.attrs, quoted(value)...)
}

// block writes a value of several lines.
func (l *line) block(key, value string) {
	l.blocks = append(l.blocks, "    "...)
	l.blocks = l.paint(l.blocks, faint, printable(key)+":")
	l.blocks = append(l.blocks, '\n')
	for text := range strings.Lines(value) {
		l.blocks = append(l.blocks, "      "...)
		l.blocks = append(l.blocks, printable(strings.ReplaceAll(strings.TrimRight(text, "\r\n"), "\t", "    "))...)
		l.blocks = append(l.blocks, '\n')
	}
}

func valueText(v slog.Value) string {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().Format(time.RFC3339)
	case slog.KindDuration:
		return shortDuration(v.Duration()).String()
	}
	return v.String()
}

// shortDuration keeps about three digits, which is what people read.
func shortDuration(d time.Duration) time.Duration {
	for unit := time.Second; unit > 1; unit /= 10 {
		if d >= 100*unit || d <= -100*unit {
			return d.Round(unit)
		}
	}
	return d
}

// quoted puts quotes around a value that would not stand as one word.
func quoted(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || r == '"' || r == '=' || !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// printable spells control characters out.
func printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}
