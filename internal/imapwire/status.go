package imapwire

// StatusItems is a set of what STATUS can ask for.
type StatusItems uint16

// The items.
const (
	StatusMessages StatusItems = 1 << iota
	StatusRecent
	StatusUIDNext
	StatusUIDValidity
	StatusUnseen
	StatusDeleted
	StatusSize           // RFC 8438
	StatusHighestModSeq  // RFC 7162
	StatusMailboxID      // RFC 8474
	StatusAppendLimit    // RFC 7889
	StatusDeletedStorage // RFC 9208
)

// statusNames are the items' names, in the order of their bits.
var statusNames = [...]string{
	"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "HIGHESTMODSEQ", "MAILBOXID", "APPENDLIMIT",
	"DELETED-STORAGE",
}

// Each calls fn with each item of the set and its name.
func (items StatusItems) Each(fn func(item StatusItems, name string)) {
	for i, name := range statusNames {
		if item := StatusItems(1) << i; items&item != 0 {
			fn(item, name)
		}
	}
}

// Status decodes the parenthesised items of STATUS.
func (d *Decoder) Status(items *StatusItems) bool {
	*items = 0
	if !d.List(func() bool { return d.statusItem(items) }) {
		return false
	}
	return *items != 0 || d.Fail("an item of STATUS")
}

func (d *Decoder) statusItem(items *StatusItems) bool {
	word := string(d.word())
	for i, name := range statusNames {
		if name == word {
			*items |= 1 << i
			return true
		}
	}
	return d.failWord("an item of STATUS")
}

// AppendStatusItems appends the parenthesised names of items.
func AppendStatusItems(dst []byte, items StatusItems) []byte {
	dst = append(dst, '(')
	start := len(dst)
	items.Each(func(_ StatusItems, name string) {
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		dst = append(dst, name...)
	})
	return append(dst, ')')
}
