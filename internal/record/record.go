// Package record owns the stored form of plain values: how numbers, texts, times and
// flags lie one behind the other in the records that the store and the queue keep.
// It knows no record: which values there are, and in which order, is said by the
// package whose record it is.
//
// Numbers are varints, so that small ones are short; a text is its length and its
// bytes; a record begins with the version of its form. What is written today has to
// be read for ever: nothing here may change what a value looks like.
//
// Damage is expected. A Decoder never panics, never asks for more memory than the
// record has, and its error sticks, so that a record is read like a list and looked
// at once in the end.
package record

import (
	"encoding/binary"
	"time"

	"posthorn/internal/fault"
)

// Encoder appends values to a record.
type Encoder struct{ b []byte }

// NewEncoder makes an Encoder with room for so many bytes.
func NewEncoder(room int) Encoder { return Encoder{make([]byte, 0, room)} }

// Record is what has been written.
func (e *Encoder) Record() []byte { return e.b }

// Byte writes one byte as it is.
func (e *Encoder) Byte(v byte) { e.b = append(e.b, v) }

// Uint writes a number in as few bytes as it needs.
func (e *Encoder) Uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }

// Int is Uint for numbers that may be negative.
func (e *Encoder) Int(v int64) { e.b = binary.AppendVarint(e.b, v) }

// Fixed writes a number in eight bytes.
func (e *Encoder) Fixed(v uint64) { e.b = binary.BigEndian.AppendUint64(e.b, v) }

// String writes a text with its length.
func (e *Encoder) String(s string) { e.Uint(uint64(len(s))); e.b = append(e.b, s...) }

// Bytes is String for bytes.
func (e *Encoder) Bytes(s []byte) { e.Uint(uint64(len(s))); e.b = append(e.b, s...) }

// Raw writes bytes that are encoded already.
func (e *Encoder) Raw(s []byte) { e.b = append(e.b, s...) }

// Time writes a moment in milliseconds; the zero time stays zero.
func (e *Encoder) Time(t time.Time) {
	if t.IsZero() {
		e.Int(0)
		return
	}
	e.Int(t.UnixMilli())
}

// Bits packs flags, the first into the lowest bit.
func (e *Encoder) Bits(flags ...bool) {
	v := uint64(0)
	for i, set := range flags {
		if set {
			v |= 1 << i
		}
	}
	e.Uint(v)
}

// Decoder reads what an Encoder has written. After an error it gives zeros.
type Decoder struct {
	b    []byte
	text string // the whole record again, if its texts are to share memory
	bad  bool
}

// NewDecoder makes a Decoder of a record. What Bytes gives aliases it.
func NewDecoder(record []byte) Decoder { return Decoder{b: record} }

// NewTextDecoder makes a Decoder of a record that has many texts: they share one
// copy of it.
func NewTextDecoder(record []byte) Decoder { return Decoder{b: record, text: string(record)} }

// More says that there is more to read.
func (d *Decoder) More() bool { return len(d.b) > 0 }

// Fail is for a caller who has found nonsense in the record.
func (d *Decoder) Fail() { d.b, d.bad = nil, true }

// Byte reads one byte.
func (d *Decoder) Byte() byte {
	if len(d.b) == 0 {
		d.Fail()
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

// Uint reads a number.
func (d *Decoder) Uint() uint64 {
	if len(d.b) > 0 && d.b[0] < 0x80 {
		return uint64(d.Byte())
	}
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.Fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// Int reads a number that may be negative.
func (d *Decoder) Int() int64 {
	v := d.Uint()
	return int64(v>>1) ^ -int64(v&1)
}

// Fixed reads a number of eight bytes.
func (d *Decoder) Fixed() uint64 {
	if len(d.b) < 8 {
		d.Fail()
		return 0
	}
	v := binary.BigEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

// Count reads how many elements follow, each of least bytes at least, so that damage
// cannot ask for more memory than the record itself has.
func (d *Decoder) Count(least int) int {
	n := d.Uint()
	if n > uint64(len(d.b)/least) {
		d.Fail()
		return 0
	}
	return int(n)
}

// Bytes reads bytes; they alias the record.
func (d *Decoder) Bytes() []byte {
	n := d.Count(1)
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// String reads a text.
func (d *Decoder) String() string {
	v := d.Bytes()
	if d.text == "" {
		return string(v)
	}
	end := len(d.text) - len(d.b)
	return d.text[end-len(v) : end]
}

// Time reads a moment.
func (d *Decoder) Time() time.Time {
	ms := d.Int()
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// Bits reads flags.
func (d *Decoder) Bits(flags ...*bool) {
	v := d.Uint()
	for i, set := range flags {
		*set = v&(1<<i) != 0
	}
}

// Version reads a record's first byte, the version of its form, of which newest is
// the last one that is known; what names the record: "queue: an envelope". The error
// is fault.Corrupt.
func (d *Decoder) Version(newest byte, what string) (byte, error) {
	v := d.Byte()
	if v == 0 || v > newest {
		return 0, fault.New(fault.Corrupt, "%s has version %d, this program knows 1 to %d", what, v, newest)
	}
	return v, nil
}

// Done says that the record could not be read, if that is so; a fault.Corrupt.
func (d *Decoder) Done(what string) error {
	if d.bad {
		return fault.New(fault.Corrupt, "%s does not decode", what)
	}
	return nil
}
