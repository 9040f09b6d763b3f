package queue

import (
	"cmp"
	"slices"
	"time"
)

// Destination is a place that mail waits for, as Run sees it at the moment.
type Destination struct {
	Name        string
	Messages    int       // that wait for it or are being tried
	Ready       int       // of them that are due
	Active      int       // of them that are being tried
	Concurrency int       // how many may be, at present
	RestUntil   time.Time // zero: it does not rest
	Failure     Result    // of a destination that rests: what it rests for
}

// Destinations lists the places that mail waits for, those with the most first.
// Messages on hold are not counted.
func (q *Queue) Destinations() []Destination {
	all := q.schedule.list(time.Now().UnixMilli())
	slices.SortFunc(all, func(a, b Destination) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Name, b.Name))
	})
	return all
}

func (s *schedule) list(now int64) []Destination {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Destination
	for _, d := range s.destinations {
		if d.items == 0 {
			continue
		}
		one := Destination{Name: d.name, Messages: d.items, Ready: d.ready.len(), Active: d.active, Concurrency: int(d.window)}
		if d.resting(now) {
			one.RestUntil, one.Failure = time.UnixMilli(d.rest), d.failure
		}
		all = append(all, one)
	}
	return all
}
