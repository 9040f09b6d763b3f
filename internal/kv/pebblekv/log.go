package pebblekv

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"

	"posthorn/internal/fault"
)

// logger is Pebble's logger.
type logger struct{ engine *Engine }

func (l logger) Infof(format string, args ...any) {
	if log := l.engine.log; log.Enabled(context.Background(), slog.LevelDebug) {
		log.Debug("pebble: " + fmt.Sprintf(format, args...))
	}
}

func (l logger) Errorf(format string, args ...any) {
	l.engine.log.Error("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf is called where Pebble cannot go on; it must not return.
func (l logger) Fatalf(format string, args ...any) {
	lost := l.engine.fail(fault.New(fault.Internal, format, args...))
	panic(lost)
}

// events are what Pebble tells besides. Where it would end the process for data
// that is damaged, this only logs: the damage stays where it is, and whoever reads
// it gets fault.Corrupt.
func (l logger) events() *pebble.EventListener {
	log := l.engine.log
	return &pebble.EventListener{
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			log.Error("stored data is damaged", "file", info.Path, "details", info.String())
		},
		BackgroundError: func(err error) {
			log.Error("store maintenance failed", "error", err)
			l.engine.space.pause()
		},
		DiskSlow: func(info pebble.DiskSlowInfo) {
			log.Warn("the disk is slow", "file", info.Path, "operation", info.OpType.String(), "for", info.Duration)
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			log.Warn("writes wait for store maintenance", "reason", info.Reason)
		},
		WriteStallEnd: func() {
			log.Warn("writes go on")
		},
	}
}
