package imapwire

import "math"

// Number decodes a 32-bit number.
func (d *Decoder) Number(n *uint32) bool {
	v, ok := d.digits(math.MaxUint32)
	if !ok {
		return d.Fail("a number")
	}
	*n = uint32(v)
	return true
}

// NZNumber decodes a 32-bit number that is not 0.
func (d *Decoder) NZNumber(n *uint32) bool {
	v, ok := d.digits(math.MaxUint32)
	if !ok || v == 0 {
		return d.Fail("a number from 1")
	}
	*n = uint32(v)
	return true
}

// Number64 decodes a 63-bit number: sizes, offsets, mod-sequences.
func (d *Decoder) Number64(n *uint64) bool {
	v, ok := d.digits(math.MaxInt64)
	if !ok {
		return d.Fail("a number")
	}
	*n = v
	return true
}

// digits consumes a number up to highest; otherwise it consumes nothing.
func (d *Decoder) digits(highest uint64) (v uint64, ok bool) {
	i := 0
	for ; i < len(d.line) && isDigit(d.line[i]); i++ {
		if v > highest/10 {
			return 0, false
		}
		if v = v*10 + uint64(d.line[i]-'0'); v > highest {
			return 0, false
		}
	}
	if i == 0 {
		return 0, false
	}
	d.line = d.line[i:]
	return v, true
}
