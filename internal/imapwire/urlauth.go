package imapwire

// URLRump is a URL to be signed, and how (RFC 4467 §6).
type URLRump struct {
	URL       string
	Mechanism string // upper case
}

// URLFetchItems is a set of what URLFETCH can ask for of a URL.
type URLFetchItems uint8

// The items; none is the BODY of RFC 4467, without its name (RFC 5524 §3).
const (
	URLFetchBody URLFetchItems = 1 << iota
	URLFetchBinary
	URLFetchPartStructure
)

// URLFetch is a URL to be fetched.
type URLFetch struct {
	URL   string
	Items URLFetchItems
}

// GenURLAuth decodes the URLs of GENURLAUTH, with the space before each.
func (d *Decoder) GenURLAuth(urls *[]URLRump) bool {
	*urls = nil
	for {
		var u URLRump
		if !d.SP() || !d.AString(&u.URL) || !d.SP() || !d.Atom(&u.Mechanism) {
			return false
		}
		u.Mechanism = upperASCII(u.Mechanism)
		*urls = append(*urls, u)
		if d.AtEnd() {
			return true
		}
	}
}

// ResetKey decodes the mailbox and the mechanisms of RESETKEY, all of which may be left
// out; mailbox decodes the name.
func (d *Decoder) ResetKey(name *string, mechanisms *[]string, mailbox func(*string) bool) bool {
	*name, *mechanisms = "", nil
	if d.AtEnd() {
		return true
	}
	if !d.SP() || !mailbox(name) {
		return false
	}
	return d.AtEnd() || d.Enable(mechanisms)
}

// URLFetch decodes the URLs of URLFETCH, with the space before each.
func (d *Decoder) URLFetch(urls *[]URLFetch) bool {
	*urls = nil
	for {
		var u URLFetch
		if !d.SP() {
			return false
		}
		if d.Byte('(') {
			if !d.AString(&u.URL) || !d.urlFetchItems(&u.Items) {
				return false
			}
		} else if !d.AString(&u.URL) {
			return false
		}
		*urls = append(*urls, u)
		if d.AtEnd() {
			return true
		}
	}
}

func (d *Decoder) urlFetchItems(items *URLFetchItems) bool {
	for {
		if !d.SP() {
			return false
		}
		switch string(d.word()) {
		case "BODY":
			*items |= URLFetchBody
		case "BINARY":
			*items |= URLFetchBinary
		case "BODYPARTSTRUCTURE":
			*items |= URLFetchPartStructure
		default:
			return d.failWord("BODY, BINARY or BODYPARTSTRUCTURE")
		}
		if d.Byte(')') {
			return true
		}
	}
}

// AppendURLFetch appends a URL of URLFETCH and what is asked for.
func AppendURLFetch(dst []byte, u *URLFetch) []byte {
	if u.Items == 0 {
		return AppendAString(dst, u.URL)
	}
	dst = AppendAString(append(dst, '('), u.URL)
	for i, name := range [...]string{" BODY", " BINARY", " BODYPARTSTRUCTURE"} {
		if u.Items&(1<<i) != 0 {
			dst = append(dst, name...)
		}
	}
	return append(dst, ')')
}

// PartStructure gives the BODYSTRUCTURE of a part, out of that of its message; nil if
// there is no such part. Numbers are those of a Section.
func PartStructure(structure []byte, part []int) []byte {
	b := structure
	for i, n := range part {
		if i > 0 && !isMultipart(b) {
			if b = embeddedStructure(b); b == nil {
				return nil
			}
		}
		if !isMultipart(b) {
			if n != 1 {
				return nil
			}
			continue
		}
		b = b[1:]
		for ; n > 1 && len(b) > 0 && b[0] == '('; n-- {
			b = b[valueLength(b):]
		}
		if n != 1 || len(b) == 0 || b[0] != '(' {
			return nil
		}
		b = b[:valueLength(b)]
	}
	return b
}

func isMultipart(b []byte) bool { return len(b) > 1 && b[0] == '(' && b[1] == '(' }

// embeddedStructure is the structure of the message that is a message/rfc822's body.
func embeddedStructure(b []byte) []byte {
	if !hasFoldPrefix(b, `("message" "rfc822" `) && !hasFoldPrefix(b, `("message" "global" `) {
		return nil
	}
	b = b[1:]
	for range 8 { // type to size, and the envelope
		b = b[min(valueLength(b)+1, len(b)):]
	}
	return b[:valueLength(b)]
}
