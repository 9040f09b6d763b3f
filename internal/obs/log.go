// Package obs owns how the server shows itself: the construction of its logger, text
// for people on a terminal and JSON for everything else, and the events that make up
// a message's history (event.go), which are told to log and history at once (trail.go).
//
// It never holds anything global: whoever logs was handed its *slog.Logger, and
// whoever made the logger keeps the slog.LevelVar with which a reload changes it.
package obs

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"posthorn/internal/fault"
)

// LogFormat is how log lines are written.
type LogFormat string

// The formats.
const (
	LogAuto LogFormat = "auto" // text on a terminal, JSON otherwise
	LogText LogFormat = "text" // for people: short and aligned, coloured on a terminal
	LogJSON LogFormat = "json" // for programs: one object a line
)

// LogFormats lists every format.
func LogFormats() []LogFormat { return []LogFormat{LogAuto, LogText, LogJSON} }

// NewLogger makes a logger that writes to w whatever is at least as grave as level.
func NewLogger(w io.Writer, format LogFormat, level slog.Leveler) *slog.Logger {
	if lines, ok := w.(*Lines); ok {
		return slog.New(prompt{newHandler(lines, isTerminal(lines.w), format, level), lines})
	}
	return slog.New(newHandler(w, isTerminal(w), format, level))
}

func newHandler(w io.Writer, tty bool, format LogFormat, level slog.Leveler) slog.Handler {
	if format == LogText || format == LogAuto && tty {
		return newTextHandler(w, level, tty && os.Getenv("NO_COLOR") == "")
	}
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: inSeconds})
}

// inSeconds writes durations as a number of seconds, which says itself what it is
// better than one of nanoseconds.
func inSeconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.Float64Value(a.Value.Duration().Seconds())
	}
	return a
}

// LevelNames lists what ParseLevel accepts.
func LevelNames() []string { return []string{"debug", "info", "warn", "error"} }

// ParseLevel reads a level by its name.
func ParseLevel(name string) (slog.Level, error) {
	switch name {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fault.New(fault.Invalid, "obs: log level %q", name)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
