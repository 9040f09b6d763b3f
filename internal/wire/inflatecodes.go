package wire

// codeOrder is in which order the lengths of the lengths' own codes come (RFC 1951
// §3.2.7).
var codeOrder = [...]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// counts begins a block that brings its own codes (RFC 1951 §3.2.7).
func (f *inflater) counts() error {
	if !f.need(14) {
		return errMoreInput
	}
	f.literals, f.distances, f.lengthCodes = f.take(5)+257, f.take(5)+1, f.take(4)+4
	if f.literals > 286 || f.distances > len(distanceBase) {
		return errDeflate
	}
	f.codes = codesPool.Get().(*codes)
	f.codes.lengths = [len(f.codes.lengths)]uint8{}
	f.have, f.step = 0, (*inflater).codesOfLengths
	return nil
}

// codesOfLengths reads the code in which the lengths are written.
func (f *inflater) codesOfLengths() error {
	for ; f.have < f.lengthCodes; f.have++ {
		if !f.need(3) {
			return errMoreInput
		}
		f.codes.lengths[codeOrder[f.have]] = uint8(f.take(3))
	}
	if !f.codes.literal.make(f.codes.lengths[:len(codeOrder)]) {
		return errDeflate
	}
	f.have, f.step = 0, (*inflater).lengths
	return nil
}

// lengths reads the lengths of the codes of both kinds, and makes these codes.
func (f *inflater) lengths() error {
	all := f.literals + f.distances
	for f.have < all {
		f.gather()
		symbol, n := f.codes.literal.find(f.bits, f.n)
		switch {
		case n == tooFewBits:
			return errMoreInput
		case n == noSuchCode:
			return errDeflate
		}
		if err := f.repeat(symbol, n, all-f.have); err != nil {
			return err
		}
	}
	l := f.codes.lengths[:all]
	if l[endOfBlock] == 0 || !f.codes.literal.make(l[:f.literals]) || !f.codes.distance.make(l[f.literals:]) {
		return errDeflate
	}
	f.step = (*inflater).symbols
	return nil
}

// repeat writes down a length, or several that are the same.
func (f *inflater) repeat(symbol, n, room int) error {
	length, times, extra := uint8(symbol), 1, 0
	switch symbol {
	case 16:
		if f.have == 0 {
			return errDeflate
		}
		length, times, extra = f.codes.lengths[f.have-1], 3, 2
	case 17:
		length, times, extra = 0, 3, 3
	case 18:
		length, times, extra = 0, 11, 7
	}
	if n+extra > f.n {
		return errMoreInput
	}
	f.take(n)
	times += f.take(extra)
	if times > room {
		return errDeflate
	}
	for range times {
		f.codes.lengths[f.have] = length
		f.have++
	}
	return nil
}
