package bans

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// shard has a record for each network, by its text: a Ban.
const shard kv.Shard = "bans"

func key(p netip.Prefix) []byte { return []byte(p.String()) }

func get(r kv.Reader, p netip.Prefix) (ban Ban, found bool, err error) {
	text, found, err := r.Get(key(p))
	if err == nil && found {
		if err = json.Unmarshal(text, &ban); err != nil {
			err = fault.New(fault.Corrupt, "bans: the record of %s: %w", p, err)
		}
	}
	return ban, found, err
}

func put(w kv.Writer, ban Ban) error {
	text, err := json.Marshal(ban)
	if err != nil {
		return fault.New(fault.Internal, "bans: %w", err)
	}
	return w.Put(key(ban.Network), text)
}

func (b *Book) change(ctx context.Context, fn func(kv.Writer) error) error {
	err := b.o.Engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error { return fn(tx.In(shard)) })
	if err == nil {
		b.refresh(ctx) // who changed it sees it at once
	}
	return err
}

// read gives all records, those of ended bans as well. One that is damaged bans nobody.
func (b *Book) read(ctx context.Context) (all []Ban, err error) {
	err = b.o.Engine.View(ctx, shard, func(r kv.Reader) error {
		all = nil
		return r.Scan(kv.Range{}, func(k, text []byte) bool {
			var ban Ban
			if err := json.Unmarshal(text, &ban); err != nil || !ban.Network.IsValid() {
				b.o.Logger.WarnContext(ctx, "a ban cannot be read, and bans nobody", "network", string(k))
				return true
			}
			all = append(all, ban)
			return true
		})
	})
	return all, err
}

// Run keeps the copy in memory up to date, and writes down who is punished, until ctx ends.
func (b *Book) Run(ctx context.Context) {
	changed := make(chan struct{}, 1)
	defer b.o.Engine.Watch(shard, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})()
	tidy, look := time.NewTicker(tidyEach), time.NewTicker(lookEach)
	defer tidy.Stop()
	defer look.Stop()
	b.refresh(ctx)
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-changed:
			b.refresh(ctx)
		case p := <-b.queue:
			err = b.punish(ctx, p)
		case <-look.C:
			err = b.end(ctx)
		case <-tidy.C:
			err = b.tidy(ctx)
		}
		if err != nil && ctx.Err() == nil {
			b.o.Logger.ErrorContext(ctx, "bans cannot be written", "error", err)
		}
	}
}

// refresh reads the book.
func (b *Book) refresh(ctx context.Context) {
	b.reading.Lock()
	defer b.reading.Unlock()
	all, err := b.read(ctx)
	if err != nil {
		if ctx.Err() == nil {
			b.o.Logger.ErrorContext(ctx, "bans cannot be read; those known so far stay in force", "error", err)
		}
		return
	}
	bans, now := make(map[netip.Prefix]Ban, len(all)), b.o.Clock()
	var lengths [2][]int
	over := false
	for _, ban := range all {
		if !now.Before(ban.Until) {
			over = over || !ban.Ended
			continue
		}
		bans[ban.Network] = ban
		if f := family(ban.Network.Addr()); !slices.Contains(lengths[f], ban.Network.Bits()) {
			lengths[f] = append(lengths[f], ban.Network.Bits())
		}
	}
	b.mu.Lock()
	b.bans, b.lengths, b.over = bans, lengths, over
	b.mu.Unlock()
	b.empty.Store(len(bans) == 0)
}

// punish writes bans: the one that woke it, and all that wait.
func (b *Book) punish(ctx context.Context, p punishment) error {
	batch := []punishment{p}
	for range len(b.queue) {
		batch = append(batch, <-b.queue)
	}
	b.mu.RLock()
	full := len(b.bans)+len(batch) > most
	b.mu.RUnlock()
	if full {
		b.o.Logger.WarnContext(ctx, "so many networks are banned that no further one is", "banned", most)
		return nil
	}
	now := b.o.Clock()
	var made []Ban
	err := b.change(ctx, func(w kv.Writer) error {
		made = made[:0]
		for _, p := range batch {
			ban, _, err := get(w, p.network)
			if err != nil && !fault.Is(err, fault.Corrupt) {
				return err
			}
			if now.Before(ban.Until) {
				continue
			}
			ban = ban.next(p, now)
			if err := put(w, ban); err != nil {
				return err
			}
			made = append(made, ban)
		}
		return nil
	})
	for _, ban := range made {
		if err == nil {
			b.o.Logger.WarnContext(ctx, "network banned", "network", ban.Network.String(), "reason", ban.Reason, "until", ban.Until, "times", ban.Strikes)
			b.o.Tell(ban)
		}
	}
	return err
}

// next is the ban that follows the last one of a network.
func (ban Ban) next(p punishment, now time.Time) Ban {
	length, strikes := p.first, 1
	if now.Before(ban.Until.Add(memory)) {
		strikes = ban.Strikes + 1
	}
	for range strikes - 1 {
		length = min(length*growth, longest)
	}
	return Ban{Network: p.network, Reason: p.reason, Since: now, Until: now.Add(length), Strikes: strikes}
}

// end tells which bans have ended.
func (b *Book) end(ctx context.Context) error {
	now := b.o.Clock()
	b.mu.RLock()
	over := b.over
	for _, ban := range b.bans {
		over = over || !now.Before(ban.Until)
	}
	b.mu.RUnlock()
	if !over {
		return nil
	}
	all, err := b.read(ctx)
	if err != nil {
		return err
	}
	var ended []Ban
	err = b.change(ctx, func(w kv.Writer) error {
		ended = ended[:0]
		for _, ban := range all {
			if ban.Ended || now.Before(ban.Until) {
				continue
			}
			ban, found, err := get(w, ban.Network)
			if err == nil && found && !ban.Ended && !now.Before(ban.Until) { // no other node has told
				ban.Ended = true
				ended = append(ended, ban)
				err = put(w, ban)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, ban := range ended {
		if err == nil {
			b.o.Tell(ban)
		}
	}
	return err
}

// tidy forgets the bans that ended long ago.
func (b *Book) tidy(ctx context.Context) error {
	all, err := b.read(ctx)
	now := b.o.Clock()
	all = slices.DeleteFunc(all, func(ban Ban) bool { return now.Before(ban.Until.Add(memory)) })
	if err != nil || len(all) == 0 {
		return err
	}
	return b.change(ctx, func(w kv.Writer) error {
		for _, old := range all {
			now, found, err := get(w, old.Network)
			if err == nil && found && now.Until.Equal(old.Until) {
				err = w.Delete(key(old.Network))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
