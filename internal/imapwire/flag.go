package imapwire

// The system flags (RFC 9051 §2.3.2). AnyFlag is only in PERMANENTFLAGS.
const (
	Seen     = `\Seen`
	Answered = `\Answered`
	Flagged  = `\Flagged`
	Deleted  = `\Deleted`
	Draft    = `\Draft`
	Recent   = `\Recent`
	AnyFlag  = `\*`
)

var systemFlags = map[string]string{
	"SEEN": Seen, "ANSWERED": Answered, "FLAGGED": Flagged, "DELETED": Deleted, "DRAFT": Draft, "RECENT": Recent,
}

// Flag decodes a flag: a system flag, written as the constants here whatever its
// case, or a keyword. Others that begin with a backslash are left to the caller.
func (d *Decoder) Flag(f *string) bool {
	if !d.Byte('\\') {
		return d.Atom(f)
	}
	before := d.line
	if name, ok := systemFlags[string(d.word())]; ok && (len(d.line) == 0 || classes[d.line[0]]&atomChar == 0) {
		*f = name
		return true
	}
	d.line = before
	if !d.Atom(f) {
		return false
	}
	*f = `\` + *f
	return true
}

// FlagList decodes a parenthesised list of flags.
func (d *Decoder) FlagList(flags *[]string) bool {
	*flags = nil
	return d.List(func() bool { return d.appendFlag(flags) })
}

func (d *Decoder) appendFlag(flags *[]string) bool {
	var f string
	if !d.Flag(&f) {
		return false
	}
	*flags = append(*flags, f)
	return true
}

// AppendFlags appends a parenthesised list of flags.
func AppendFlags(dst []byte, flags []string) []byte {
	dst = append(dst, '(')
	for i, f := range flags {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, f...)
	}
	return append(dst, ')')
}
