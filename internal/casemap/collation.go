package casemap

// Collation is a way to compare, order and search texts: by the bytes that Append makes
// of them.
type Collation struct {
	Name   string // as registered with IANA (RFC 4790)
	Append func(dst, text []byte) []byte
}

// The collations. All of them have the three operations that IMAP needs, equality,
// substring and order (RFC 5255 §4.4).
var (
	Unicode = Collation{"i;unicode-casemap", Append[[]byte]}
	ASCII   = Collation{"i;ascii-casemap", appendUpper}
	Octet   = Collation{"i;octet", func(dst, text []byte) []byte { return append(dst, text...) }}
)

// Collations gives all of them, the default first.
func Collations() []Collation { return []Collation{Unicode, ASCII, Octet} }

// appendUpper appends text with the letters of ASCII in upper case (RFC 4790 §9.2.1).
func appendUpper(dst, text []byte) []byte {
	for _, c := range text {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
