package queue

import (
	"encoding/binary"
	"time"

	"posthorn/internal/fault"
)

// encoder appends the stored form of values: varints, and strings with their length.
type encoder struct{ b []byte }

func (c *encoder) byte(v byte)     { c.b = append(c.b, v) }
func (c *encoder) uint(v uint64)   { c.b = binary.AppendUvarint(c.b, v) }
func (c *encoder) int(v int64)     { c.b = binary.AppendVarint(c.b, v) }
func (c *encoder) string(s string) { c.uint(uint64(len(s))); c.b = append(c.b, s...) }
func (c *encoder) bytes(p []byte)  { c.uint(uint64(len(p))); c.b = append(c.b, p...) }

// time is kept in milliseconds; the zero time stays zero.
func (c *encoder) time(t time.Time) {
	if t.IsZero() {
		c.int(0)
		return
	}
	c.int(t.UnixMilli())
}

// bits packs flags, the first into the lowest bit.
func (c *encoder) bits(flags ...bool) {
	v := uint64(0)
	for i, set := range flags {
		if set {
			v |= 1 << i
		}
	}
	c.uint(v)
}

// decoder reads what encoder wrote. It works on a string, so that the strings of a
// record share its memory. Its error sticks: reads after it give zeros.
type decoder struct {
	s   string
	bad bool
}

func (d *decoder) fail() { d.s, d.bad = "", true }

func (d *decoder) byte() byte {
	if d.s == "" {
		d.fail()
		return 0
	}
	v := d.s[0]
	d.s = d.s[1:]
	return v
}

func (d *decoder) uint() uint64 {
	if d.s != "" && d.s[0] < 0x80 {
		return uint64(d.byte())
	}
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		b := d.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	d.fail()
	return 0
}

func (d *decoder) int() int64 {
	v := d.uint()
	return int64(v>>1) ^ -int64(v&1)
}

// count reads a number of elements of at least size bytes each, so that damage
// cannot ask for more memory than the record itself has.
func (d *decoder) count(size int) int {
	n := d.uint()
	if n > uint64(len(d.s)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) string() string {
	n := d.count(1)
	v := d.s[:n]
	d.s = d.s[n:]
	return v
}

// bytes is nil where there are none.
func (d *decoder) bytes() []byte {
	if v := d.string(); v != "" {
		return []byte(v)
	}
	return nil
}

func (d *decoder) time() time.Time {
	ms := d.int()
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func (d *decoder) bits(flags ...*bool) {
	v := d.uint()
	for i, set := range flags {
		*set = v&(1<<i) != 0
	}
}

// version reads a record's first byte, the version of its form.
func (d *decoder) version(newest byte, what string) (byte, error) {
	v := d.byte()
	if v == 0 || v > newest {
		return 0, fault.New(fault.Corrupt, "queue: %s has version %d, this program knows 1 to %d", what, v, newest)
	}
	return v, nil
}

// done reports the record as corrupt if it did not decode.
func (d *decoder) done(what string) error {
	if d.bad {
		return fault.New(fault.Corrupt, "queue: %s does not decode", what)
	}
	return nil
}
