package history

import (
	"context"
	"time"

	"posthorn/internal/kv"
)

// Forget deletes the days whose time is over: with 14 days, all that ended before
// this moment a fortnight ago; with 0, everything.
func (h *History) Forget(ctx context.Context) error {
	end := time.Now().AddDate(0, 0, -h.Days())
	var over []kv.Shard
	if err := h.engine.Shards(ctx, h.prefix, func(shard kv.Shard) bool {
		day, ok := h.dayOf(shard)
		if ok && !day.AddDate(0, 0, 1).After(end) {
			over = append(over, shard)
		}
		return true
	}); err != nil {
		return err
	}
	for _, shard := range over {
		err := h.engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error { return tx.In(shard).DeleteRange(nil, nil) })
		if err != nil {
			return err
		}
		h.log.InfoContext(ctx, "a day of the history is over and deleted", "day", string(shard[len(h.prefix):]), "kept", h.Days())
	}
	return nil
}
