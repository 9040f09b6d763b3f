package store

import (
	"sort"

	"posthorn/internal/record"
)

// UIDRange is the UIDs from First to Last, both included.
type UIDRange struct{ First, Last UID }

// AllUIDs is the range of every UID.
var AllUIDs = []UIDRange{{1, ^UID(0)}}

// ranges is a set of UIDs: sorted, without overlap.
type ranges []UIDRange

// normalize sorts and merges ranges given in any order. Ranges that are in order
// already are returned as they are.
func normalize(rs []UIDRange) ranges {
	inOrder := true
	for i, r := range rs {
		if r.First > r.Last || i > 0 && rs[i-1].Last >= r.First {
			inOrder = false
			break
		}
	}
	if inOrder {
		return rs
	}
	sorted := make([]UIDRange, 0, len(rs))
	for _, r := range rs {
		if r.First > r.Last {
			r.First, r.Last = r.Last, r.First
		}
		sorted = append(sorted, r)
	}
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].First < sorted[j].First })
	out := sorted[:0]
	for _, r := range sorted {
		if n := len(out); n > 0 && r.First <= out[n-1].Last {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// collector gathers messages, visited in order, into ranges. As no UID is ever given
// out again, the gap between neighbouring messages holds none, and a range spans it.
type collector struct {
	ranges  ranges
	lastSeq int
}

func (c *collector) add(seq int, uid UID) {
	if n := len(c.ranges); n > 0 && seq == c.lastSeq+1 {
		c.ranges[n-1].Last = uid
	} else {
		c.ranges = append(c.ranges, UIDRange{uid, uid})
	}
	c.lastSeq = seq
}

// contains reports whether uid is in the set.
func (rs ranges) contains(uid UID) bool {
	i := sort.Search(len(rs), func(i int) bool { return rs[i].Last >= uid })
	return i < len(rs) && rs[i].First <= uid
}

func encodeRanges(c *record.Encoder, rs ranges) {
	c.Uint(uint64(len(rs)))
	last := UID(0)
	for _, r := range rs {
		c.Uint(uint64(r.First - last))
		c.Uint(uint64(r.Last - r.First))
		last = r.Last
	}
}

func decodeRanges(d *record.Decoder) ranges {
	n := d.Count(2)
	rs := make(ranges, 0, n)
	last := UID(0)
	for range n {
		first := last + UID(d.Uint())
		last = first + UID(d.Uint())
		rs = append(rs, UIDRange{first, last})
	}
	return rs
}
