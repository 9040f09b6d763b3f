package wire

import "math/bits"

const (
	longestCode = 15
	fastBits    = 9 // codes up to this length are found in one step
	maxSymbols  = 288
)

// huffman decodes one canonical Huffman code (RFC 1951 §3.2.2). It is small, and soon
// made: a peer may ask for a new one every few bytes.
type huffman struct {
	fast    [1 << fastBits]uint16   // by the next bits: symbol<<4 | length; 0: longer, or none
	count   [longestCode + 1]uint16 // of the codes of each length
	symbols [maxSymbols]uint16      // in the order of their codes
}

// make builds the code from the lengths of its symbols' codes, 0 for those that have
// none. A code must be complete, but for one that has a single symbol or none.
func (h *huffman) make(lengths []uint8) bool {
	*h = huffman{}
	for _, n := range lengths {
		h.count[n]++
	}
	used := len(lengths) - int(h.count[0])
	h.count[0] = 0
	left := 1 // codes of the length at hand that are free
	var code, place [longestCode + 1]uint16
	for n := 1; n <= longestCode; n++ {
		if left = left<<1 - int(h.count[n]); left < 0 {
			return false
		}
		code[n] = (code[n-1] + h.count[n-1]) << 1
		place[n] = place[n-1] + h.count[n-1]
	}
	if left > 0 && (used > 1 || used == 1 && h.count[1] != 1) {
		return false
	}
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		h.symbols[place[n]] = uint16(symbol)
		place[n]++
		if n <= fastBits {
			h.enter(code[n], n, uint16(symbol))
		}
		code[n]++
	}
	return true
}

// enter puts a short code into the table, with whatever bits may follow it. Codes
// arrive with their first bit lowest.
func (h *huffman) enter(code uint16, n uint8, symbol uint16) {
	for i := int(bits.Reverse16(code) >> (16 - n)); i < len(h.fast); i += 1 << n {
		h.fast[i] = symbol<<4 | uint16(n)
	}
}

// What find returns in place of a code's length.
const (
	tooFewBits = 0
	noSuchCode = -1
)

// find decodes the symbol that the lowest of n bits begin with, and says how many of
// them are its code.
func (h *huffman) find(b uint64, n int) (symbol, length int) {
	if e := h.fast[b&(1<<fastBits-1)]; e != 0 {
		if length = int(e & 15); length > n {
			return 0, tooFewBits
		}
		return int(e >> 4), length
	}
	code, first, place := 0, 0, 0
	for length = 1; length <= longestCode; length++ {
		if length > n {
			return 0, tooFewBits
		}
		code |= int(b>>(length-1)) & 1
		count := int(h.count[length])
		if code < first+count {
			return int(h.symbols[place+code-first]), length
		}
		place += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, noSuchCode
}

// fixedCodes are those of blocks that bring none (RFC 1951 §3.2.6).
var fixedCodes = makeFixedCodes()

func makeFixedCodes() *codes {
	c := new(codes)
	for i := range 288 {
		switch {
		case i < 144:
			c.lengths[i] = 8
		case i < 256:
			c.lengths[i] = 9
		case i < 280:
			c.lengths[i] = 7
		default:
			c.lengths[i] = 8
		}
	}
	c.literal.make(c.lengths[:288])
	for i := range 32 {
		c.lengths[i] = 5
	}
	c.distance.make(c.lengths[:32])
	return c
}
