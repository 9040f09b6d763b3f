package record_test

import (
	"encoding/hex"
	"math"
	"testing"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/record"
)

// What lies in stores out there looks like this.
func TestBytes(t *testing.T) {
	e := record.NewEncoder(0)
	e.Byte(7)
	e.Uint(0)
	e.Uint(127)
	e.Uint(128)
	e.Uint(math.MaxUint64)
	e.Int(-1)
	e.Int(math.MinInt64)
	e.Fixed(258)
	e.String("añ")
	e.Bytes([]byte{0, 255})
	e.Raw([]byte{9})
	e.Time(time.Time{})
	e.Time(time.UnixMilli(1_700_000_000_123))
	e.Bits(true, false, true)
	const want = "07" + "00" + "7f" + "8001" + "ffffffffffffffffff01" + "01" + "ffffffffffffffffff01" + "0000000000000102" +
		"0361c3b1" + "0200ff" + "09" + "00" + "f6a1abfef962" + "05"
	if got := hex.EncodeToString(e.Record()); got != want {
		t.Fatalf("written:\n%s, want\n%s", got, want)
	}
	for name, d := range map[string]record.Decoder{"plain": record.NewDecoder(e.Record()), "text": record.NewTextDecoder(e.Record())} {
		var first, second, third bool
		same := d.Byte() == 7 && d.Uint() == 0 && d.Uint() == 127 && d.Uint() == 128 && d.Uint() == math.MaxUint64 &&
			d.Int() == -1 && d.Int() == math.MinInt64 && d.Fixed() == 258 && d.String() == "añ" && string(d.Bytes()) == "\x00\xff" &&
			d.Byte() == 9 && d.Time().IsZero() && d.Time().Equal(time.UnixMilli(1_700_000_000_123))
		d.Bits(&first, &second, &third)
		if !same || !first || second || !third || d.More() || d.Done("it") != nil {
			t.Errorf("%s: not read as written", name)
		}
	}
}

func TestDamage(t *testing.T) {
	reads := map[string]func(*record.Decoder){
		"byte":    func(d *record.Decoder) { d.Byte() },
		"uint":    func(d *record.Decoder) { d.Uint() },
		"int":     func(d *record.Decoder) { d.Int() },
		"fixed":   func(d *record.Decoder) { d.Fixed() },
		"string":  func(d *record.Decoder) { _ = d.String() },
		"bytes":   func(d *record.Decoder) { d.Bytes() },
		"time":    func(d *record.Decoder) { d.Time() },
		"version": func(d *record.Decoder) { _, _ = d.Version(1, "it") },
	}
	for name, read := range reads {
		d := record.NewDecoder(nil)
		read(&d)
		if err := d.Done("pkg: it"); !fault.Is(err, fault.Corrupt) || err.Error() != "pkg: it does not decode" {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
	for _, bad := range []string{"ffffffffffffffffff02", "ffffffffffffffffffff01", "80", "0561"} {
		b, _ := hex.DecodeString(bad)
		d := record.NewTextDecoder(b)
		if s := d.String(); s != "" || d.Done("it") == nil || d.Byte() != 0 || d.More() {
			t.Errorf("%s is read as %q", bad, s)
		}
	}
	d := record.NewDecoder([]byte{3, 1, 2, 3, 4, 5})
	if n := d.Count(2); n != 0 || d.Done("it") == nil {
		t.Errorf("three elements of two bytes in five bytes: %d", n)
	}
}

func TestVersion(t *testing.T) {
	for first, good := range map[byte]bool{0: false, 1: true, 2: true, 3: false} {
		d := record.NewDecoder([]byte{first})
		v, err := d.Version(2, "pkg: it")
		if (err == nil) != good || good && v != first {
			t.Errorf("%d: %d, %v", first, v, err)
		}
	}
}

// Whatever bytes are read, and in whatever order of values, nothing panics; and what
// is read without an error and written again is read the same.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte("busfxtd"), []byte{1, 2, 3, 'a', 'b', 'c', 0, 0, 0, 0, 0, 0, 0, 1, 1, 9, 5, 6})
	f.Add([]byte("u"), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, order, b []byte) {
		first, second := record.NewDecoder(b), record.NewTextDecoder(b)
		again := copyOf(&first, order)
		if string(copyOf(&second, order)) != string(again) || (first.Done("it") == nil) != (second.Done("it") == nil) {
			t.Fatal("the two decoders disagree")
		}
		if first.Done("it") != nil {
			return
		}
		third := record.NewDecoder(again)
		if twice := copyOf(&third, order); string(twice) != string(again) || third.Done("it") != nil {
			t.Fatalf("%x is read as %x", again, twice)
		}
	})
}

// copyOf reads values in an order and writes them again.
func copyOf(d *record.Decoder, order []byte) []byte {
	var e record.Encoder
	for _, kind := range order {
		switch kind {
		case 'b':
			e.Byte(d.Byte())
		case 'u':
			e.Uint(d.Uint())
		case 'i':
			e.Int(d.Int())
		case 'f':
			e.Fixed(d.Fixed())
		case 's':
			e.String(d.String())
		case 'x':
			e.Bytes(d.Bytes())
		case 't':
			e.Time(d.Time())
		case 'd':
			var one, two bool
			d.Bits(&one, &two)
			e.Bits(one, two)
		}
	}
	return e.Record()
}
