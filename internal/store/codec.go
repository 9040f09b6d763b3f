package store

import (
	"encoding/binary"

	"posthorn/internal/fault"
)

// encoder appends the stored form of values: varints, and strings with their length.
type encoder struct{ b []byte }

func (c *encoder) byte(v byte)     { c.b = append(c.b, v) }
func (c *encoder) uint(v uint64)   { c.b = binary.AppendUvarint(c.b, v) }
func (c *encoder) int(v int64)     { c.b = binary.AppendVarint(c.b, v) }
func (c *encoder) fixed(v uint64)  { c.b = binary.BigEndian.AppendUint64(c.b, v) }
func (c *encoder) string(s string) { c.uint(uint64(len(s))); c.b = append(c.b, s...) }
func (c *encoder) bytes(s []byte)  { c.uint(uint64(len(s))); c.b = append(c.b, s...) }

// decoder reads what encoder wrote. Its error sticks: reads after it give zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) fixed() uint64 {
	if len(d.b) < 8 {
		d.bad, d.b = true, nil
		return 0
	}
	v := binary.BigEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

// count reads a number of elements of at least size bytes each, so that damage
// cannot ask for more memory than the record itself has.
func (d *decoder) count(size int) int {
	n := d.uint()
	if n > uint64(len(d.b)/size) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

// bytes reads a byte string; it aliases the record.
func (d *decoder) bytes() []byte {
	n := d.count(1)
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) string() string { return string(d.bytes()) }

// done reports the record as corrupt if it did not decode.
func (d *decoder) done(what string) error {
	if d.bad {
		return fault.New(fault.Corrupt, "store: %s does not decode", what)
	}
	return nil
}

// version checks a record's first byte, the version of its form.
func (d *decoder) version(newest byte, what string) error {
	if v := d.byte(); v == 0 || v > newest {
		return fault.New(fault.Corrupt, "store: %s has version %d, this program knows 1 to %d", what, v, newest)
	}
	return nil
}
