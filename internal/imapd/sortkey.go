package imapd

import (
	"posthorn/internal/imapwire"
	"posthorn/internal/message"
	"posthorn/internal/store"
)

// fromEntry sets the keys that the snapshot knows. The date is there for messages whose
// own cannot be read (RFC 5256 §2.2).
func (k *sortKeys) fromEntry(i int, h hit, e store.Entry) {
	for at, c := range k.criteria {
		switch c.Key {
		case imapwire.SortArrival, imapwire.SortDate:
			k.number(i, at, e.InternalDate)
		case imapwire.SortSize:
			k.number(i, at, int64(e.Size))
		case imapwire.SortRelevancy: // RFC 6203 §6: the best first
			k.number(i, at, -int64(h.score))
		default:
			k.text(i, at, nil)
		}
	}
}

// sortFields is the field that a key is taken from.
var sortFields = map[imapwire.SortKey]string{
	imapwire.SortCC: "cc", imapwire.SortDate: "date", imapwire.SortFrom: "from", imapwire.SortSubject: "subject",
	imapwire.SortTo: "to", imapwire.SortDisplayFrom: "from", imapwire.SortDisplayTo: "to",
}

// fromHeader sets the keys that are in header fields, of which the first of a name
// counts.
func (k *sortKeys) fromHeader(i int, header []byte) {
	var done uint32 // bits of criteria
	for f := range message.Fields(header) {
		for at, c := range k.criteria {
			if done&(1<<at) == 0 && sortFields[c.Key] != "" && equalFold(f.Name, sortFields[c.Key]) {
				done |= 1 << at
				k.fromField(i, at, f.Value)
			}
		}
	}
}

func (k *sortKeys) fromField(i, at int, value []byte) {
	var text string
	switch c := k.criteria[at]; c.Key {
	case imapwire.SortDate:
		if sent, err := message.ParseDate(string(value)); err == nil {
			k.number(i, at, sent.Unix())
		}
		return
	case imapwire.SortSubject:
		text, _ = message.BaseSubject(string(value))
	default:
		list := message.ParseAddressList(string(value))
		switch {
		case len(list) == 0:
		case c.Key == imapwire.SortDisplayFrom || c.Key == imapwire.SortDisplayTo:
			text = displayName(&list[0])
		default:
			text = list[0].Mailbox
		}
	}
	k.scratch = k.fold(k.scratch[:0], []byte(text))
	k.text(i, at, k.scratch)
}

// displayName is the name of an address, or else the address itself (RFC 5957 §3).
func displayName(a *message.Address) string {
	if name := message.DecodeHeader(a.Name); name != "" {
		return name
	}
	if a.Mailbox != "" && a.Host != "" {
		return a.Mailbox + "@" + a.Host
	}
	return a.Mailbox
}
