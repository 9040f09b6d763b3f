package search

import (
	"context"
	"sort"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/store"
)

// Query is one search key that asks for a text.
type Query struct {
	Needle *Needle
	Header string // the header field to look in, in any case; empty: the body
	Whole  bool   // the body and all of the header
}

// answers is where a query has to look: a message matches if one of these does.
func (q *Query) answers() ([]field, plan) {
	text := q.Needle.folded
	if q.Header != "" {
		if f, ok := fieldNamed(strings.ToLower(q.Header)); ok {
			return []field{f}, planLines(text)
		}
		p := planWords(text) // of the header, not of this field
		p.certain = false
		return []field{fieldHeader}, p
	}
	if q.Whole {
		return []field{fieldHeader, fieldBody}, planWords(text)
	}
	return []field{fieldBody}, planWords(text)
}

// Verdict is what the index knows of a message.
type Verdict uint8

// The verdicts.
const (
	Unknown Verdict = iota // the message itself has to be looked at
	No
	Yes
)

// Candidates is the answer to a query.
type Candidates struct {
	spans   []span
	certain bool   // what is found matches; otherwise it may
	missing int    // messages asked for that are not in the index yet
	behind  func() // called when they have become many
}

// span is the answer of one segment.
type span struct {
	*segment
	found bitset
}

// behindBy is how many messages a search has to look at itself before the index is
// asked to catch up.
const behindBy = 64

// Test says what is known of a message; 0 stands for one whose EmailID is not known.
func (c *Candidates) Test(id store.EmailID) Verdict {
	if id == 0 {
		return Unknown
	}
	i := sort.Search(len(c.spans), func(i int) bool { return c.spans[i].last >= id })
	if i == len(c.spans) || id < c.spans[i].first {
		if c.missing++; c.missing == behindBy {
			c.behind()
		}
		return Unknown
	}
	s := &c.spans[i]
	switch {
	case len(s.gaps) > 0 && s.isGap(id):
		return Unknown
	case !s.found.has(uint64(id - s.first)):
		return No
	case c.certain:
		return Yes
	}
	return Unknown
}

func (s *segment) isGap(id store.EmailID) bool {
	i := sort.Search(len(s.gaps), func(i int) bool { return s.gaps[i] >= id })
	return i < len(s.gaps) && s.gaps[i] == id
}

// Candidates answers a query for an account's messages, as far as they are in the
// index: asking costs about as much for a mailbox of the account as for all. Whatever
// goes wrong with the index itself costs time, never an answer.
func (x *Index) Candidates(ctx context.Context, account store.AccountID, q Query) (*Candidates, error) {
	c := &Candidates{behind: func() { x.Want(account) }}
	fields, p := q.answers()
	if len(p.terms) == 0 {
		c.behind = func() {} // however much is in the index, it would not help
		return c, nil
	}
	err := x.engine.View(ctx, shardOf(account), func(r kv.Reader) error {
		c.spans, c.certain = nil, p.certain
		h, err := readHead(r)
		if err != nil || h == nil {
			return err
		}
		for i := range h.segments {
			s := span{segment: &h.segments[i]}
			for _, f := range fields {
				found, err := (&lookup{r, s.segment, f}).run(p)
				if err != nil {
					return err
				}
				if s.found == nil {
					s.found = found
				} else {
					s.found.unite(found)
				}
			}
			c.spans = append(c.spans, s)
		}
		return nil
	})
	if fault.Is(err, fault.Corrupt) {
		x.log.Error("the search index is damaged and will be made anew", "account", account, "error", err)
		x.discard(account)
		c.spans, err = nil, nil
	}
	return c, err
}
