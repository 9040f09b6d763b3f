package obs

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

// at is a record with a fixed time, so that lines can be compared.
func at(level slog.Level, message string, args ...any) slog.Record {
	r := slog.NewRecord(time.Date(2026, 1, 2, 15, 4, 5, 6e6, time.UTC), level, message, 0)
	r.Add(args...)
	return r
}

func TestTextLooks(t *testing.T) {
	for _, tc := range []struct {
		record slog.Record
		want   string
	}{
		{at(slog.LevelInfo, "ready", "listeners", 8), "15:04:05.006 info  ready                        listeners=8\n"},
		{at(slog.LevelWarn, "slow", "took", 1234567*time.Microsecond), "15:04:05.006 warn  slow                         took=1.23s\n"},
		{
			at(slog.LevelError, "forged\r\n15:04:05 info", "by", "a\x1b[31m", "said", "a b", "nothing", ""),
			`15:04:05.006 error forged\r\n15:04:05 info      by="a\x1b[31m" said="a b" nothing=""` + "\n",
		},
		{
			at(slog.LevelError, "panic", "stack", "one\n\ttwo\x1b\n", "n", 1),
			"15:04:05.006 error panic                        n=1\n    stack:\n      one\n          two\\x1b\n",
		},
		{
			at(slog.LevelDebug, "grouped", slog.Group("peer", "ip", "192.0.2.1", slog.Group("tls", "version", 13)), slog.Group("empty")),
			"15:04:05.006 debug grouped                      peer.ip=192.0.2.1 peer.tls.version=13\n",
		},
	} {
		var out bytes.Buffer
		if err := newTextHandler(&out, slog.LevelDebug, false).Handle(context.Background(), tc.record); err != nil {
			t.Fatal(err)
		}
		if out.String() != tc.want {
			t.Errorf("got  %q\nwant %q", out.String(), tc.want)
		}
	}
}

func TestColour(t *testing.T) {
	var out bytes.Buffer
	h := newTextHandler(&out, slog.LevelInfo, true)
	if err := h.Handle(context.Background(), at(slog.LevelError, "oops", "k", "v")); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, red+"error"+plain) || !strings.Contains(s, faint+"k="+plain+"v") {
		t.Errorf("not coloured: %q", s)
	}
}

func TestFormatFollowsTheWriter(t *testing.T) {
	for format, wantJSON := range map[LogFormat]bool{LogAuto: true, LogJSON: true, LogText: false} {
		var out bytes.Buffer
		NewLogger(&out, format, slog.LevelInfo).Info("hello")
		if got := json.Valid(out.Bytes()); got != wantJSON {
			t.Errorf("format %s on a buffer wrote %q", format, out.String())
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("format %s is coloured on a buffer: %q", format, out.String())
		}
	}
}

func TestDurationsInJSON(t *testing.T) {
	var out bytes.Buffer
	NewLogger(&out, LogJSON, slog.LevelInfo).Info("done", "took", 1500*time.Millisecond)
	if !strings.Contains(out.String(), `"took":1.5`) {
		t.Errorf("logged %s", &out)
	}
}

func TestLevelChangesLater(t *testing.T) {
	var out bytes.Buffer
	var level slog.LevelVar
	log := NewLogger(&out, LogText, &level).With("conn", "c1")
	log.Debug("unseen")
	level.Set(slog.LevelDebug)
	log.Debug("seen")
	if s := out.String(); strings.Contains(s, "unseen") || !strings.Contains(s, "seen") {
		t.Errorf("logged %q", s)
	}
	for _, name := range LevelNames() {
		if l, err := ParseLevel(name); err != nil || !strings.EqualFold(l.String(), name) {
			t.Errorf("ParseLevel(%q) = %v, %v", name, l, err)
		}
	}
	if _, err := ParseLevel("loud"); err == nil {
		t.Error("ParseLevel accepts loud")
	}
}

// TestTextHandlerContract holds the handler to what log/slog asks of one.
func TestTextHandlerContract(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return newTextHandler(&out, slog.LevelInfo, false)
	}, func(t *testing.T) map[string]any { return parseLine(t, out.String()) })
}

// parseLine reads a line back into what slogtest wants to see.
func parseLine(t *testing.T, text string) map[string]any {
	t.Helper()
	got := map[string]any{}
	words := strings.Fields(text)
	if len(words) > 0 && strings.Contains(words[0], ":") {
		got[slog.TimeKey] = words[0]
		words = words[1:]
	}
	got[slog.LevelKey], got[slog.MessageKey] = words[0], words[1]
	for _, word := range words[2:] {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			continue // slogtest's messages have several words
		}
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		into := got
		groups := strings.Split(key, ".")
		for _, g := range groups[:len(groups)-1] {
			if into[g] == nil {
				into[g] = map[string]any{}
			}
			into = into[g].(map[string]any)
		}
		into[groups[len(groups)-1]] = value
	}
	return got
}
