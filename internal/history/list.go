package history

import (
	"context"
	"slices"
	"time"

	"posthorn/internal/obs"
)

// Filter is which events List gives: those that meet all of it.
type Filter struct {
	Names []string        // each a name as Query.What has it; the event has all of them
	Kinds []obs.EventKind // it is one of these; none: any
	Since time.Time       // not before; zero: all that is kept
	Until time.Time       // before; zero: up to now
	Limit int             // of events; 0: the default
}

// List gives the latest events that a filter lets through, in the order of their times,
// and whether there are older ones. Damaged batches are logged and left out.
func (h *History) List(ctx context.Context, f Filter) (found []*obs.Event, more bool, err error) {
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	wanted := make([][]token, len(f.Names))
	for i, name := range f.Names {
		if wanted[i], err = tokensOf(name); err != nil {
			return nil, false, err
		}
	}
	s := &search{history: h, since: f.Since, waiting: h.waiting()}
	if err := s.days(ctx); err != nil {
		return nil, false, err
	}
	var first []token // by which batches are found; the others are compared
	if len(wanted) > 0 {
		first = wanted[0]
	}
	err = s.find(ctx, first, f.Since, func(batch []*obs.Event) bool {
		for _, e := range slices.Backward(batch) {
			if !f.lets(e, wanted) {
				continue
			}
			if more = len(found) == f.Limit; more {
				return false
			}
			found = append(found, e)
		}
		return true
	})
	slices.Reverse(found)
	slices.SortStableFunc(found, func(a, b *obs.Event) int { return a.Time.Compare(b.Time) })
	return found, more, err
}

// lets says whether an event is one of those.
func (f *Filter) lets(e *obs.Event, wanted [][]token) bool {
	if len(f.Kinds) > 0 && !slices.Contains(f.Kinds, e.Kind) || !f.Until.IsZero() && !e.Time.Before(f.Until) {
		return false
	}
	for _, names := range wanted {
		has := false
		tokens(e, func(t token) { has = has || slices.Contains(names, t) })
		if !has {
			return false
		}
	}
	return true
}
