package wire

import (
	"io"
	"sync"

	"posthorn/internal/fault"
)

// maxWindow is how far back a DEFLATE stream may refer.
const maxWindow = 32 << 10

// inflater is the receiving side of a DEFLATE stream (RFC 1951). It differs from the
// libraries' in what a connection needs: it stops wherever the input ends, in the
// midst of a symbol if need be, and goes on from there later, so that a wait for more
// can be interrupted; it holds back no byte that can be known, however the peer
// flushes; and between blocks it keeps nothing but what the peer may refer back to,
// which is little as long as the peer has said little.
type inflater struct {
	step func(*inflater) error // nil: a block begins
	err  error                 // sticky

	src  []byte // input not yet looked at, during a call
	bits uint64 // input looked at and not used, the first bit lowest
	n    int    // how many

	dst    []byte // room for output, during a call
	window []byte // the last output; a ring once it has its full size
	pos    int    // where in window the next byte goes
	total  int64  // bytes of output so far

	final    bool
	stored   int    // bytes left of a stored block
	length   int    // bytes left of a copy
	distance int    // from which it is
	codes    *codes // of the block at hand

	// While codes are being read:
	literals, distances, lengthCodes int // how many
	have                             int // how many lengths are known
}

// codes are the two codes of a block, and what they are made of.
type codes struct {
	literal, distance huffman
	lengths           [maxSymbols + 32]uint8
}

var codesPool = sync.Pool{New: func() any { return new(codes) }}

var errDeflate = fault.New(fault.Invalid, "wire: not a DEFLATE stream")

// errMoreInput says that all input is used up.
var errMoreInput = fault.New(fault.Unavailable, "wire: the input ends here")

// errFull says that there is no more room for output.
var errFull = fault.New(fault.Unavailable, "wire: the output ends here")

// inflate decodes from src into dst, as much as either allows, and says how much of
// each was used. After the stream's end the error is io.EOF.
func (f *inflater) inflate(dst, src []byte) (written, used int, err error) {
	f.src, f.dst = src, dst
	for f.err == nil {
		step := f.step
		if step == nil {
			step = (*inflater).block
		}
		if err := step(f); err == errMoreInput || err == errFull {
			break
		} else if err != nil {
			f.err = err
		}
	}
	written, used = len(dst)-len(f.dst), len(src)-len(f.src)
	f.src, f.dst = nil, nil
	return written, used, f.err
}

// need gathers at least n bits, 57 at most.
func (f *inflater) need(n int) bool {
	f.gather()
	return f.n >= n
}

// gather looks at as much input as there is room for.
func (f *inflater) gather() {
	for f.n <= 56 && len(f.src) > 0 {
		f.bits |= uint64(f.src[0]) << f.n
		f.src = f.src[1:]
		f.n += 8
	}
}

// take uses n bits that are there.
func (f *inflater) take(n int) int {
	v := int(f.bits & (1<<n - 1))
	f.bits >>= n
	f.n -= n
	return v
}

// block begins a block (RFC 1951 §3.2.3).
func (f *inflater) block() error {
	if f.final {
		return io.EOF
	}
	if !f.need(3) {
		return errMoreInput
	}
	f.final = f.take(1) == 1
	switch f.take(2) {
	case 0:
		f.step = (*inflater).storedLength
	case 1:
		f.codes, f.step = fixedCodes, (*inflater).symbols
	case 2:
		f.step = (*inflater).counts
	default:
		return errDeflate
	}
	return nil
}

// endBlock lets go of what belongs to the block.
func (f *inflater) endBlock() {
	if f.codes != nil && f.codes != fixedCodes {
		codesPool.Put(f.codes)
	}
	f.codes, f.step = nil, nil
}

// storedLength begins the bytes of a stored block (RFC 1951 §3.2.4).
func (f *inflater) storedLength() error {
	unused := f.n % 8
	if !f.need(unused + 32) {
		return errMoreInput
	}
	f.take(unused)
	f.stored = f.take(16)
	if f.take(16) != f.stored^0xffff {
		return errDeflate
	}
	f.step = (*inflater).copyStored
	return nil
}

func (f *inflater) copyStored() error {
	for f.stored > 0 && f.n > 0 {
		if len(f.dst) == 0 {
			return errFull
		}
		f.put(byte(f.take(8)))
		f.stored--
	}
	n := min(f.stored, len(f.src), len(f.dst))
	for _, c := range f.src[:n] {
		f.put(c)
	}
	f.src = f.src[n:]
	switch f.stored -= n; {
	case f.stored == 0:
		f.endBlock()
		return nil
	case len(f.dst) == 0:
		return errFull
	}
	return errMoreInput
}

// put writes one byte for which there is room.
func (f *inflater) put(c byte) {
	if f.pos == len(f.window) {
		f.widen()
	}
	f.window[f.pos] = c
	f.pos++
	f.total++
	f.dst[0] = c
	f.dst = f.dst[1:]
}

// widen makes the window larger, or starts again at its beginning.
func (f *inflater) widen() {
	if len(f.window) == maxWindow {
		f.pos = 0
		return
	}
	wider := make([]byte, max(1<<10, 2*len(f.window)))
	copy(wider, f.window)
	f.window = wider
}

// The lengths and distances of RFC 1951 §3.2.5: where each code's range begins, and
// how many bits say which of the range.
var (
	lengthBase = [...]int{
		3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
	}
	lengthExtra  = [...]int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distanceBase = [...]int{
		1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
		6145, 8193, 12289, 16385, 24577,
	}
	distanceExtra = [...]int{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

const endOfBlock = 256

// symbols decodes the data of a compressed block.
func (f *inflater) symbols() error {
	for {
		f.gather()
		symbol, n := f.codes.literal.find(f.bits, f.n)
		switch {
		case n == tooFewBits:
			return errMoreInput
		case n == noSuchCode:
			return errDeflate
		case symbol == endOfBlock:
			f.take(n)
			f.endBlock()
			return nil
		case symbol > endOfBlock:
			if err := f.reference(symbol-endOfBlock-1, n); err != nil {
				return err
			}
			f.step = (*inflater).copyBack
			return nil
		case len(f.dst) == 0:
			return errFull
		}
		f.take(n)
		f.put(byte(symbol))
	}
}

// reference decodes length and distance of a copy, of which the length's code is known
// and used of the bits are: all or nothing, at most 48 bits.
func (f *inflater) reference(code, used int) error {
	if code >= len(lengthBase) {
		return errDeflate
	}
	extra := used
	used += lengthExtra[code]
	if used > f.n {
		return errMoreInput
	}
	symbol, n := f.codes.distance.find(f.bits>>used, f.n-used)
	switch {
	case n == tooFewBits:
		return errMoreInput
	case n == noSuchCode || symbol >= len(distanceBase):
		return errDeflate
	}
	if used+n+distanceExtra[symbol] > f.n {
		return errMoreInput
	}
	f.take(extra)
	f.length = lengthBase[code] + f.take(lengthExtra[code])
	f.take(n)
	f.distance = distanceBase[symbol] + f.take(distanceExtra[symbol])
	if int64(f.distance) > f.total {
		return errDeflate
	}
	return nil
}

// copyBack repeats earlier output.
func (f *inflater) copyBack() error {
	for ; f.length > 0; f.length-- {
		if len(f.dst) == 0 {
			return errFull
		}
		from := f.pos - f.distance
		if from < 0 {
			from += len(f.window) // it has its full size then
		}
		f.put(f.window[from])
	}
	f.step = (*inflater).symbols
	return nil
}
