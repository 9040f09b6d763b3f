package abuse

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// shard has, by the number of an account:
//
//	C account   the countries that it has submitted from: homes
//	H account   why it is held: a Hold
const shard kv.Shard = "abuse"

func homesKey(account uint64) []byte { return binary.BigEndian.AppendUint64([]byte{'C'}, account) }
func holdKey(account uint64) []byte  { return binary.BigEndian.AppendUint64([]byte{'H'}, account) }

func (w *Watch) update(ctx context.Context, fn func(kv.Writer) error) error {
	return w.o.Engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error { return fn(tx.In(shard)) })
}

// change is update for what is held. Who changed it sees it at once.
func (w *Watch) change(ctx context.Context, fn func(kv.Writer) error) error {
	err := w.update(ctx, fn)
	if err == nil {
		err = w.Load(ctx)
	}
	return err
}

func readHold(r kv.Reader, account uint64) (h Hold, found bool, err error) {
	text, found, err := r.Get(holdKey(account))
	if err == nil && found {
		if err = json.Unmarshal(text, &h); err != nil {
			err = fault.New(fault.Corrupt, "abuse: the hold of account %d: %w", account, err)
		}
	}
	return h, found, err
}

func writeHold(w kv.Writer, h Hold) error {
	text, err := json.Marshal(h)
	if err != nil {
		return fault.New(fault.Internal, "abuse: %w", err)
	}
	return w.Put(holdKey(h.Account), text)
}

// hold writes that an account is held, unless it is already. If that cannot be written, the
// message at hand is held all the same, and the next one will try again.
func (w *Watch) hold(ctx context.Context, h Hold) Hold {
	err := w.change(ctx, func(t kv.Writer) error {
		before, found, err := readHold(t, h.Account)
		if err == nil && found {
			h = before
			return nil
		}
		return writeHold(t, h)
	})
	if err != nil {
		w.o.Logger.ErrorContext(ctx, "that an account is held could not be written", "account", h.Address, "rule", string(h.Rule), "error", err)
	}
	w.wake()
	return h
}

// Release ends the hold of an account, and begins to count anew. Kind of error: NotFound.
func (w *Watch) Release(ctx context.Context, account uint64) (Hold, error) {
	var h Hold
	now := w.o.Clock()
	err := w.change(ctx, func(t kv.Writer) error {
		var found bool
		var err error
		if h, found, err = readHold(t, account); err != nil && !fault.Is(err, fault.Corrupt) {
			return err
		}
		if !found {
			return fault.New(fault.NotFound, "abuse: account %d is not held", account)
		}
		homes, err := readHomes(t, account)
		if err == nil && len(homes) > 0 {
			homes.settle(now)
			err = writeHomes(t, account, homes)
		}
		if err != nil && !fault.Is(err, fault.Corrupt) {
			return err
		}
		return t.Delete(holdKey(account))
	})
	w.forget(account)
	return h, err
}

// Remove forgets an account that is gone for good.
func (w *Watch) Remove(ctx context.Context, account uint64) error {
	w.forget(account)
	return w.change(ctx, func(t kv.Writer) error {
		if err := t.Delete(homesKey(account)); err != nil {
			return err
		}
		return t.Delete(holdKey(account))
	})
}

// forget forgets what is in memory of an account.
func (w *Watch) forget(account uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.ledgers, account)
	delete(w.homes, account)
	delete(w.kept, account)
}

// Load reads what is held. A Hold that is damaged holds, without its words.
func (w *Watch) Load(ctx context.Context) error {
	if w == nil {
		return nil
	}
	w.reading.Lock()
	defer w.reading.Unlock()
	var held map[uint64]Hold
	err := w.o.Engine.View(ctx, shard, func(r kv.Reader) error {
		held = map[uint64]Hold{}
		return r.Scan(kv.Prefix([]byte{'H'}), func(key, text []byte) bool {
			var h Hold
			id := binary.BigEndian.Uint64(key[1:])
			if err := json.Unmarshal(text, &h); err != nil || h.Account != id {
				w.o.Logger.WarnContext(ctx, "why an account is held cannot be read", "account", id)
				h = Hold{Account: id, Told: true}
			}
			held[id] = h
			return true
		})
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.held {
		if _, still := held[id]; !still { // it was released, maybe on another node
			delete(w.ledgers, id)
			delete(w.homes, id)
			delete(w.kept, id)
		}
	}
	w.held = held
	return nil
}

func (w *Watch) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// tellAgain is after what time somebody else tells of a hold, if nobody has.
const tellAgain = time.Minute

// Run follows what other nodes hold and release, and has tell called for each hold until it
// has succeeded once, on one node at a time, until ctx ends.
func (w *Watch) Run(ctx context.Context, tell func(context.Context, Hold) error) {
	defer w.o.Engine.Watch(shard, w.wake)()
	tick := time.NewTicker(tellAgain)
	defer tick.Stop()
	for {
		err := w.Load(ctx)
		for _, h := range w.List() {
			if err == nil && !h.Told {
				err = w.tell(ctx, h, tell)
			}
		}
		if err != nil && ctx.Err() == nil {
			w.o.Logger.ErrorContext(ctx, "that an account is held could not be told", "error", err, "again", tellAgain)
		}
		select {
		case <-ctx.Done():
			return
		case <-w.kick:
		case <-tick.C:
		}
	}
}

// tell tells of a hold, if nobody else is about to.
func (w *Watch) tell(ctx context.Context, h Hold, tell func(context.Context, Hold) error) error {
	now, mine := w.o.Clock(), false
	err := w.change(ctx, func(t kv.Writer) error {
		before, found, err := readHold(t, h.Account)
		if mine = err == nil && found && !before.Told && now.Sub(before.Telling) >= tellAgain; !mine {
			return err
		}
		h = before
		h.Telling = now.UTC()
		return writeHold(t, h)
	})
	if err != nil || !mine {
		return err
	}
	if err := tell(ctx, h); err != nil {
		return err
	}
	return w.change(ctx, func(t kv.Writer) error {
		before, found, err := readHold(t, h.Account)
		if err != nil || !found {
			return err
		}
		before.Told = true
		return writeHold(t, before)
	})
}

// Secure holds the mail of an account that is about to be closed, so that nothing of what
// is under way gets out. Nobody needs to be told.
func (w *Watch) Secure(ctx context.Context, account uint64, address string) error {
	h := Hold{Account: account, Address: address, Rule: Secured, Since: w.o.Clock().UTC(), Told: true}
	return w.change(ctx, func(t kv.Writer) error { return writeHold(t, h) })
}
