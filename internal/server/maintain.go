package server

import (
	"context"
	"log/slog"
	"time"
)

const (
	firstMaintenance = 5 * time.Minute // after the start, when the rush is over
	maintenanceEvery = time.Hour
)

// background is a goroutine with its end.
type background struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// stop ends it and waits for it.
func (b *background) stop() {
	b.cancel()
	<-b.done
}

// startBackground runs fn until stop.
func startBackground(fn func(context.Context)) *background {
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{cancel, make(chan struct{})}
	go func() {
		defer close(b.done)
		fn(ctx)
	}()
	return b
}

// startMaintenance lets those who keep something tidy up from time to time.
func startMaintenance(log *slog.Logger, tidy ...func(context.Context) error) *background {
	return startBackground(func(ctx context.Context) {
		timer := time.NewTimer(firstMaintenance)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			start := time.Now()
			for _, one := range tidy {
				if err := one(ctx); err != nil && ctx.Err() == nil {
					log.Error("maintenance failed", "error", err)
				}
			}
			log.Debug("maintenance done", "took", time.Since(start))
			timer.Reset(maintenanceEvery)
		}
	})
}
