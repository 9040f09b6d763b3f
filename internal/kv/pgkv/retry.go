package pgkv

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the pause before something is tried again: longer each time, and
// random, so that those who failed together do not come back together.
type backoff struct{ last time.Duration }

const (
	firstPause = 2 * time.Millisecond
	lastPause  = 250 * time.Millisecond
)

// wait pauses, or tells that ctx has ended.
func (b *backoff) wait(ctx context.Context) error {
	b.last = min(max(2*b.last, firstPause), lastPause)
	return sleep(ctx, b.last/2+rand.N(b.last/2))
}

// sleep waits for so long, or tells that ctx has ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// persist does something until it succeeds or fails for good: a transient error
// becomes one of these when it has kept coming for as long as patience lasts.
func persist(ctx context.Context, patience time.Duration, what string, do func() error) error {
	var pauses backoff
	var trouble time.Time // when it began
	for {
		err := do()
		again, ok := err.(transient)
		if !ok {
			return err
		}
		if trouble.IsZero() {
			trouble = time.Now()
		}
		if time.Since(trouble) > patience {
			return again.error
		}
		if err != errDissolved && pauses.wait(ctx) != nil {
			return canceled(ctx, what)
		}
	}
}
