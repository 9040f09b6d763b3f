package abuse

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

const (
	settling     = 7 * 24 * time.Hour // after that a country is not new any more
	visitEvery   = 24 * time.Hour     // how often it is written down that an account was in one
	maxCountries = 20                 // of an account
)

// homes are the countries that an account has submitted from, by their codes.
type homes map[string]stay

// stay is when that was.
type stay struct {
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// isNew says that an account has come to a country lately, and was elsewhere before.
func (h homes) isNew(code string, now time.Time) bool {
	here := h[code]
	if !now.Before(here.First.Add(settling)) {
		return false
	}
	for other, stay := range h {
		if other != code && stay.First.Before(here.First) {
			return true
		}
	}
	return false
}

// due says that a visit is to be written down.
func (h homes) due(code string, now time.Time) bool { return now.Sub(h[code].Last) >= visitEvery }

// visit writes down that the account is in a country. Of too many the one that it left
// first is forgotten.
func (h homes) visit(code string, now time.Time) {
	here, known := h[code]
	if !known {
		here.First = now
	}
	here.Last = now
	h[code] = here
	for len(h) > maxCountries {
		oldest := code
		for other, stay := range h {
			if stay.Last.Before(h[oldest].Last) {
				oldest = other
			}
		}
		delete(h, oldest)
	}
}

// settle makes all countries old ones: somebody has said that it was the owner.
func (h homes) settle(now time.Time) {
	for code, stay := range h {
		stay.First = now.Add(-settling)
		h[code] = stay
	}
}

// abroad says that an account submits from a country that is new to it. What cannot be
// found out is no suspicion.
func (w *Watch) abroad(ctx context.Context, account uint64, ip netip.Addr, now time.Time) bool {
	code := w.o.Country(ip)
	if code == "" {
		return false
	}
	w.mu.RLock()
	h, known := w.homes[account]
	w.mu.RUnlock()
	var err error
	if !known {
		err = w.o.Engine.View(ctx, shard, func(r kv.Reader) (err error) {
			h, err = readHomes(r, account)
			return err
		})
	}
	if err == nil && h.due(code, now) {
		err = w.update(ctx, func(t kv.Writer) (err error) {
			if h, err = readHomes(t, account); err != nil {
				return err
			}
			h.visit(code, now)
			return writeHomes(t, account, h)
		})
		known = false
	}
	if err != nil {
		w.o.Logger.WarnContext(ctx, "the countries of an account are not known now", "account", account, "error", err)
		return false
	}
	if !known {
		w.mu.Lock()
		if len(w.homes) >= maxLedgers {
			clear(w.homes)
		}
		w.homes[account] = h
		w.mu.Unlock()
	}
	return h.isNew(code, now)
}

// readHomes gives homes that are the caller's.
func readHomes(r kv.Reader, account uint64) (homes, error) {
	h := homes{}
	text, ok, err := r.Get(homesKey(account))
	if err != nil || !ok {
		return h, err
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, fault.New(fault.Corrupt, "abuse: the countries of account %d: %w", account, err)
	}
	return h, nil
}

func writeHomes(w kv.Writer, account uint64, h homes) error {
	text, err := json.Marshal(h)
	if err != nil {
		return fault.New(fault.Internal, "abuse: %w", err)
	}
	return w.Put(homesKey(account), text)
}
