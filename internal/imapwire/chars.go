package imapwire

// The character classes of the grammar, as bits of classes.
const (
	atomChar    = 1 << iota // ATOM-CHAR
	astringChar             // ASTRING-CHAR, and any 8-bit byte: clients send names in raw UTF-8
	tagChar                 // ASTRING-CHAR but "+"
	listChar                // list-char, and any 8-bit byte
	wordChar                // what keywords, attributes and section names are made of
	quotedChar              // stands for itself in a quoted string that we send
	plainChar               // stands for itself in modified UTF-7
	textChar                // printable ASCII, and TAB
)

var classes = classify()

func classify() (c [256]uint8) {
	for b := range 256 {
		switch {
		case b > 0x7f:
			c[b] = astringChar | listChar
		case b < 0x20 || b == 0x7f:
			if b == '\t' {
				c[b] = quotedChar
			}
		case b == '(' || b == ')' || b == '{' || b == ' ':
			c[b] = quotedChar
		case b == '"' || b == '\\':
		case b == '%' || b == '*':
			c[b] = quotedChar | listChar
		case b == ']':
			c[b] = quotedChar | astringChar | tagChar | listChar
		default:
			c[b] = quotedChar | atomChar | astringChar | tagChar | listChar
		}
	}
	c['+'] &^= tagChar
	for b := 0x20; b < 0x7f; b++ {
		c[b] |= plainChar | textChar
	}
	c['\t'] |= textChar
	c['&'] &^= plainChar
	for b := range 256 {
		if b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b == '.' || b == '-' || b == '_' {
			c[b] |= wordChar
		}
	}
	return c
}

// all reports whether every byte of s is of a class.
func all[T ~string | ~[]byte](s T, class uint8) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

func isDigit(b byte) bool { return b-'0' < 10 }

func upperASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}
