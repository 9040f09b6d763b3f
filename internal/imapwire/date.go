package imapwire

import (
	"strconv"
	"time"
)

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// Date decodes a date such as 1-Feb-1994, quoted or not, as midnight UTC.
func (d *Decoder) Date(t *time.Time) bool {
	quoted := d.Byte('"')
	y, m, day, ok := d.dayMonthYear()
	if !ok || quoted && !d.Byte('"') {
		return d.Fail("a date such as 1-Feb-1994")
	}
	*t = time.Date(y, m, day, 0, 0, 0, 0, time.UTC)
	return true
}

const dateTimeForm = `a date and time such as "17-Jul-1996 02:44:25 -0700"`

// DateTime decodes a date-time, which keeps its zone.
func (d *Decoder) DateTime(t *time.Time) bool {
	if !d.Byte('"') {
		return d.Fail(dateTimeForm)
	}
	d.Byte(' ') // RFC 9051 §9: date-day-fixed is padded with a space
	y, m, day, ok := d.dayMonthYear()
	var clock [3]int
	for i, before := range []byte{' ', ':', ':'} {
		ok = ok && d.Byte(before) && d.fixed(2, &clock[i])
	}
	var zone int
	ok = ok && d.Byte(' ')
	west := ok && d.Byte('-')
	ok = ok && (west || d.Byte('+')) && d.fixed(4, &zone) && d.Byte('"')
	if !ok || clock[0] > 23 || clock[1] > 59 || clock[2] > 60 || zone%100 > 59 {
		return d.Fail(dateTimeForm)
	}
	offset := (zone/100*60 + zone%100) * 60
	if west {
		offset = -offset
	}
	*t = time.Date(y, m, day, clock[0], clock[1], clock[2], 0, time.FixedZone("", offset))
	return true
}

func (d *Decoder) dayMonthYear() (year int, month time.Month, day int, ok bool) {
	if !d.fixed(2, &day) && !d.fixed(1, &day) {
		return 0, 0, 0, false
	}
	ok = d.Byte('-') && d.month(&month) && d.Byte('-') && d.fixed(4, &year)
	if !ok || day < 1 || time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Day() != day {
		return 0, 0, 0, false
	}
	return year, month, day, true
}

// fixed consumes just so many digits.
func (d *Decoder) fixed(digits int, n *int) bool {
	if len(d.line) < digits {
		return false
	}
	v := 0
	for _, b := range d.line[:digits] {
		if !isDigit(b) {
			return false
		}
		v = v*10 + int(b-'0')
	}
	d.line = d.line[digits:]
	*n = v
	return true
}

func (d *Decoder) month(m *time.Month) bool {
	if len(d.line) < 3 {
		return false
	}
	for i := range 12 {
		if name := months[3*i : 3*i+3]; name[0] == d.line[0]&^0x20 && name[1] == d.line[1]|0x20 && name[2] == d.line[2]|0x20 {
			d.line = d.line[3:]
			*m = time.Month(i + 1)
			return true
		}
	}
	return false
}

// AppendDate appends a date as in SEARCH.
func AppendDate(dst []byte, t time.Time) []byte {
	y, m, day := t.Date()
	dst = strconv.AppendInt(dst, int64(day), 10)
	return appendMonthYear(dst, m, y)
}

// AppendInternalDate appends a date-time with its quotes. It is valid whatever t is:
// years have four digits, and zones four digits of hours and minutes.
func AppendInternalDate(dst []byte, t time.Time) []byte {
	_, offset := t.Zone()
	if offset%60 != 0 || offset <= -100*3600 || offset >= 100*3600 {
		t, offset = t.UTC(), 0
	}
	if y := t.Year(); y < 0 || y > 9999 {
		t, offset = time.Unix(0, 0).UTC(), 0
	}
	y, m, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(dst, '"')
	dst = append(dst, byte(' '), byte('0'+day%10))
	if day > 9 {
		dst[len(dst)-2] = byte('0' + day/10)
	}
	dst = append(appendMonthYear(dst, m, y), ' ')
	dst = append(appendTwo(dst, hour), ':')
	dst = append(appendTwo(dst, minute), ':')
	dst = append(appendTwo(dst, second), ' ')
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = append(dst, sign)
	dst = appendTwo(dst, offset/3600)
	dst = appendTwo(dst, offset/60%60)
	return append(dst, '"')
}

func appendMonthYear(dst []byte, m time.Month, y int) []byte {
	dst = append(dst, '-')
	dst = append(dst, months[3*m-3:3*m]...)
	dst = append(dst, '-')
	dst = appendTwo(dst, y/100)
	return appendTwo(dst, y%100)
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }
