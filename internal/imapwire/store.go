package imapwire

import "strconv"

// StoreOp is what a STORE does with the flags.
type StoreOp uint8

// The operations: FLAGS, +FLAGS and -FLAGS.
const (
	StoreSet StoreOp = iota
	StoreAdd
	StoreRemove
)

// StoreOptions are what follows the set of a STORE.
type StoreOptions struct {
	Op             StoreOp
	Silent         bool
	Flags          []string
	Conditional    bool   // UNCHANGEDSINCE was given (RFC 7162)
	UnchangedSince uint64 // may be 0, which nothing satisfies
}

// Store decodes what follows the set of a STORE.
func (d *Decoder) Store(o *StoreOptions) bool {
	*o = StoreOptions{}
	if d.next() == '(' && (!d.storeModifiers(o) || !d.SP()) {
		return false
	}
	switch {
	case d.Byte('+'):
		o.Op = StoreAdd
	case d.Byte('-'):
		o.Op = StoreRemove
	}
	switch string(d.word()) {
	case "FLAGS":
	case "FLAGS.SILENT":
		o.Silent = true
	default:
		return d.failWord("FLAGS, +FLAGS or -FLAGS")
	}
	if !d.SP() {
		return false
	}
	if d.next() == '(' {
		return d.FlagList(&o.Flags)
	}
	for d.appendFlag(&o.Flags) { // RFC 9051 §9: the parentheses may be left out
		if !d.Byte(' ') {
			return true
		}
	}
	return false
}

func (d *Decoder) storeModifiers(o *StoreOptions) bool {
	return d.List(func() bool {
		o.Conditional = true
		return d.keyword("UNCHANGEDSINCE") && d.SP() && d.Number64(&o.UnchangedSince)
	})
}

// AppendStore appends what follows the set of a STORE.
func AppendStore(dst []byte, o *StoreOptions) []byte {
	if o.Conditional {
		dst = append(dst, "(UNCHANGEDSINCE "...)
		dst = strconv.AppendUint(dst, o.UnchangedSince, 10)
		dst = append(dst, ") "...)
	}
	switch o.Op {
	case StoreAdd:
		dst = append(dst, '+')
	case StoreRemove:
		dst = append(dst, '-')
	}
	dst = append(dst, "FLAGS"...)
	if o.Silent {
		dst = append(dst, ".SILENT"...)
	}
	return AppendFlags(append(dst, ' '), o.Flags)
}
