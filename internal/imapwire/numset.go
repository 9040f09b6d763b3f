package imapwire

import (
	"math"
	"slices"
	"strconv"
)

// Star is "*" in a NumRange: the largest number in use.
const Star = 0

// NumRange is a range of message numbers or UIDs, ends included, in either order.
type NumRange struct{ First, Last uint32 }

// NumSet is a sequence-set as the client wrote it.
type NumSet struct {
	Ranges []NumRange
	Saved  bool // "$": the messages that the last SEARCH saved (RFC 5182)
}

// NumSet decodes a sequence-set.
func (d *Decoder) NumSet(set *NumSet) bool {
	*set = NumSet{}
	if d.Byte('$') {
		set.Saved = true
		return true
	}
	for {
		var r NumRange
		if !d.seqNumber(&r.First) {
			return false
		}
		r.Last = r.First
		if d.Byte(':') && !d.seqNumber(&r.Last) {
			return false
		}
		set.Ranges = append(set.Ranges, r)
		if !d.Byte(',') {
			return true
		}
	}
}

// KnownSet decodes a set without "*" and "$" (RFC 7162 §7: known-uids).
func (d *Decoder) KnownSet(set *NumSet) bool {
	if !d.NumSet(set) {
		return false
	}
	if set.Saved || slices.ContainsFunc(set.Ranges, func(r NumRange) bool { return r.First == Star || r.Last == Star }) {
		return d.Fail("a set without * and $")
	}
	return true
}

func (d *Decoder) seqNumber(n *uint32) bool {
	if d.Byte('*') {
		*n = Star
		return true
	}
	v, ok := d.digits(math.MaxUint32)
	if !ok || v == 0 {
		return d.Fail("a message number, * or $")
	}
	*n = uint32(v)
	return true
}

// Resolve gives the set's ranges in ascending order, ends in order, overlapping and
// adjoining ones merged, with last in place of "*". RFC 9051 §9 allows a server to
// coalesce and to reorder, and wants 9:* to include the last message whatever its
// number. An empty mailbox (last 0) has no "*": its ranges with one are dropped.
func (s NumSet) Resolve(last uint32) []NumRange {
	ranges := make([]NumRange, 0, len(s.Ranges))
	for _, r := range s.Ranges {
		if last == 0 && (r.First == Star || r.Last == Star) {
			continue
		}
		if r.First == Star {
			r.First = last
		}
		if r.Last == Star {
			r.Last = last
		}
		ranges = append(ranges, NumRange{min(r.First, r.Last), max(r.First, r.Last)})
	}
	return Coalesce(ranges)
}

// Coalesce sorts ranges and merges those that overlap or adjoin, in place.
func Coalesce(ranges []NumRange) []NumRange {
	if !slices.IsSortedFunc(ranges, byFirst) {
		slices.SortFunc(ranges, byFirst)
	}
	merged := ranges[:0]
	for _, r := range ranges {
		if n := len(merged); n > 0 && uint64(r.First) <= uint64(merged[n-1].Last)+1 {
			merged[n-1].Last = max(merged[n-1].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

func byFirst(a, b NumRange) int {
	switch {
	case a.First < b.First:
		return -1
	case a.First > b.First:
		return 1
	}
	return 0
}

// AppendNumSet appends a sequence-set.
func AppendNumSet(dst []byte, s NumSet) []byte {
	if s.Saved {
		return append(dst, '$')
	}
	return AppendRanges(dst, s.Ranges)
}

// AppendRanges appends ranges as a sequence-set.
func AppendRanges(dst []byte, ranges []NumRange) []byte {
	for i, r := range ranges {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendSeqNumber(dst, r.First)
		if r.Last != r.First {
			dst = append(dst, ':')
			dst = appendSeqNumber(dst, r.Last)
		}
	}
	return dst
}

func appendSeqNumber(dst []byte, n uint32) []byte {
	if n == Star {
		return append(dst, '*')
	}
	return strconv.AppendUint(dst, uint64(n), 10)
}

// AppendNums appends numbers, in their order, as a sequence-set; ascending runs
// become ranges. The numbers are UIDs or sequence numbers.
func AppendNums[N ~uint32](dst []byte, nums []N) []byte {
	for i := 0; i < len(nums); {
		j := i
		for j+1 < len(nums) && nums[j+1] == nums[j]+1 {
			j++
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, uint64(nums[i]), 10)
		if j > i {
			dst = append(dst, ':')
			dst = strconv.AppendUint(dst, uint64(nums[j]), 10)
		}
		i = j + 1
	}
	return dst
}
