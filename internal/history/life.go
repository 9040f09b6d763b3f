package history

import (
	"context"
	"slices"
	"strings"
	"time"

	"posthorn/internal/obs"
)

// Life is what happened to one message and to the notifications about it; or, if
// Message is empty, on one connection apart from any message.
type Life struct {
	Message string
	Events  []*obs.Event // in the order of their times; those of notifications among them
}

// rounds is how often is looked for what came of what came of a message.
const rounds = 4

// lives finds the lives that have an event with one of the tokens. Such an event is a
// witness: it names a message, under whose name the other events are found; and these
// may name others, what came of it or what it came of.
func (s *search) lives(ctx context.Context, wanted []token, limit int) (Answer, error) {
	g := &gathering{search: s, places: map[string]int{}, parents: map[string]string{}}
	more := false
	err := s.find(ctx, wanted, s.since, func(found []*obs.Event) bool {
		for _, e := range slices.Backward(found) {
			if s.user != "" && (e.Kind != obs.Accepted || !strings.EqualFold(e.User, s.user)) {
				continue
			}
			if more = len(g.places) == limit && !g.knows(e); more {
				return false
			}
			g.witness(e)
		}
		return true
	})
	for range rounds {
		if g.first, g.end = g.end, len(g.names); g.first == g.end || err != nil {
			break
		}
		names := g.names[g.first:]
		err = s.find(ctx, messageTokens(names), g.earliest(names), func(found []*obs.Event) bool {
			g.take(found)
			return g.events < maxFound
		})
	}
	return Answer{Lives: g.lives(), More: more || g.events >= maxFound, Kept: s.kept}, err
}

func messageTokens(names []string) []token {
	all := make([]token, len(names))
	for i, name := range names {
		all[i] = hash(byMessage, name)
	}
	return all
}

// gathering puts events together to lives.
type gathering struct {
	*search
	names      []string       // of messages
	first, end int            // those that are looked for in this round
	places     map[string]int // of messages among the names; those of connections do not count

	parents map[string]string // by notification: the message that it is about
	batches [][]*obs.Event    // what was found, the latest batches first
	events  int
}

// nameOfLife is the name of the life that an event belongs to: its message, or its
// connection behind a blank.
func nameOfLife(e *obs.Event) string {
	if e.Message == "" {
		return " " + e.Conn
	}
	return e.Message
}

func (g *gathering) knows(e *obs.Event) bool {
	_, ok := g.places[nameOfLife(e)]
	return ok
}

// add adds a message to those that are looked for.
func (g *gathering) add(message string) {
	if _, ok := g.places[message]; !ok {
		g.places[message] = len(g.names)
		g.names = append(g.names, message)
	}
}

// witness takes in the name of an event's message; or the event itself if it has none.
func (g *gathering) witness(e *obs.Event) {
	if e.Message != "" {
		g.add(e.Message)
		return
	}
	g.places[nameOfLife(e)] = -1
	g.keep([]*obs.Event{e})
}

// take takes in events of messages that were looked for. One that only speaks of such a
// message leads to another.
func (g *gathering) take(found []*obs.Event) {
	var all []*obs.Event
	for _, e := range found {
		if place, ok := g.places[e.Message]; ok && place >= g.first && place < g.end {
			all = append(all, e)
		}
		g.add(e.Message)
		if e.Related != "" {
			g.add(e.Related)
			g.parents[e.Related] = e.Message
		}
	}
	g.keep(all)
}

func (g *gathering) keep(found []*obs.Event) {
	g.batches = append(g.batches, found)
	g.events += len(found)
}

// slack is how far clocks and the times of a batch's events may be apart.
const slack = time.Minute

// earliest is when the first of some messages can have begun.
func (g *gathering) earliest(names []string) time.Time {
	first := time.Now()
	for _, name := range names {
		began, ok := g.history.began(name)
		if !ok {
			return time.Time{}
		}
		if began.Before(first) {
			first = began
		}
	}
	return first.Add(-slack)
}

// root is the message that a life is named by.
func (g *gathering) root(name string) string {
	for range rounds {
		parent, ok := g.parents[name]
		if !ok {
			break
		}
		name = parent
	}
	return name
}

// lives sorts the events into lives.
func (g *gathering) lives() []Life {
	places := map[string]int{}
	var all []Life
	for _, found := range slices.Backward(g.batches) {
		for _, e := range found {
			name := g.root(nameOfLife(e))
			place, ok := places[name]
			if !ok {
				place = len(all)
				places[name] = place
				all = append(all, Life{})
				if name[0] != ' ' {
					all[place].Message = name
				}
			}
			all[place].Events = append(all[place].Events, e)
		}
	}
	for i := range all {
		slices.SortStableFunc(all[i].Events, func(a, b *obs.Event) int { return a.Time.Compare(b.Time) })
	}
	slices.SortStableFunc(all, func(a, b Life) int { return a.Events[0].Time.Compare(b.Events[0].Time) })
	return all
}
