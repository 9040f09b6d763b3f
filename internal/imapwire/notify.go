package imapwire

import "strings"

// NotifyEvents is a set of what NOTIFY can tell of.
type NotifyEvents uint16

// The events (RFC 5465 §5).
const (
	EventMessageNew NotifyEvents = 1 << iota
	EventMessageExpunge
	EventFlagChange
	EventAnnotationChange
	EventMailboxName
	EventSubscriptionChange
	EventMailboxMetadataChange
	EventServerMetadataChange
	EventUnknown // any of which RFC 5465 does not know

	MessageEvents = EventMessageNew | EventMessageExpunge | EventFlagChange | EventAnnotationChange
)

// notifyEvents are the events' names, in the order of their bits.
var notifyEvents = [...]string{
	"MessageNew", "MessageExpunge", "FlagChange", "AnnotationChange",
	"MailboxName", "SubscriptionChange", "MailboxMetadataChange", "ServerMetadataChange",
}

// NotifyFilter says which mailboxes a NotifyGroup is about.
type NotifyFilter uint8

// The filters (RFC 5465 §6).
const (
	NotifySelected NotifyFilter = iota
	NotifySelectedDelayed
	NotifyInboxes
	NotifyPersonal
	NotifySubscribed
	NotifySubtree    // of each of NotifyGroup.Mailboxes
	NotifyMailboxes  // NotifyGroup.Mailboxes
	NotifySubtreeOne // of each of NotifyGroup.Mailboxes, one level down (RFC 7377)
)

var notifyFilters = [...]string{
	NotifySelected: "SELECTED", NotifySelectedDelayed: "SELECTED-DELAYED", NotifyInboxes: "INBOXES",
	NotifyPersonal: "PERSONAL", NotifySubscribed: "SUBSCRIBED", NotifySubtree: "SUBTREE", NotifyMailboxes: "MAILBOXES",
	NotifySubtreeOne: "SUBTREE-ONE",
}

// NotifyGroup is what a client wants to hear of some mailboxes.
type NotifyGroup struct {
	Filter    NotifyFilter
	Mailboxes []string // UTF-8
	Events    NotifyEvents
	Fetch     []FetchItem // what to tell of new messages
}

// NotifyOptions are the arguments of NOTIFY. Without groups, it is NONE.
type NotifyOptions struct {
	Status bool // tell first how the mailboxes stand
	Groups []NotifyGroup
}

// Notify decodes what follows NOTIFY and a space. mailbox decodes a mailbox's name.
func (d *Decoder) Notify(o *NotifyOptions, mailbox func(*string) bool) bool {
	*o = NotifyOptions{}
	switch string(d.word()) {
	case "NONE":
		return d.err == nil
	case "SET":
	default:
		return d.failWord("SET or NONE")
	}
	if !d.SP() {
		return false
	}
	if d.next() != '(' {
		if o.Status = true; !d.keyword("STATUS") || !d.SP() {
			return false
		}
	}
	for {
		var g NotifyGroup
		if !d.expect('(', "a group of events") || !d.notifyFilter(&g, mailbox) || !d.SP() || !d.notifyEvents(&g) || !d.expect(')', ")") {
			return false
		}
		o.Groups = append(o.Groups, g)
		if !d.Byte(' ') || d.AtEnd() {
			return d.err == nil
		}
	}
}

func (d *Decoder) notifyFilter(g *NotifyGroup, mailbox func(*string) bool) bool {
	word := string(d.word())
	for f, name := range notifyFilters {
		if name == word {
			g.Filter = NotifyFilter(f)
			return g.Filter < NotifySubtree || d.SP() && d.notifyMailboxes(g, mailbox)
		}
	}
	return d.failWord("which mailboxes: SELECTED, PERSONAL, MAILBOXES or the like")
}

func (d *Decoder) notifyMailboxes(g *NotifyGroup, mailbox func(*string) bool) bool {
	one := func() bool {
		var name string
		ok := mailbox(&name)
		g.Mailboxes = append(g.Mailboxes, name)
		return ok
	}
	if d.next() != '(' {
		return one()
	}
	return d.List(one) && (len(g.Mailboxes) > 0 || d.Fail("a mailbox"))
}

// notifyEvents decodes the events. The examples of RFC 5465 §3.1 leave out the
// parentheses that its grammar wants.
func (d *Decoder) notifyEvents(g *NotifyGroup) bool {
	if d.next() == '(' {
		return d.List(func() bool { return d.notifyEvent(g) }) && (g.Events != 0 || d.Fail("an event"))
	}
	before := d.line
	if string(d.word()) == "NONE" {
		return true
	}
	d.line = before
	for d.notifyEvent(g) {
		if !d.Byte(' ') {
			return true
		}
	}
	return false
}

func (d *Decoder) notifyEvent(g *NotifyGroup) bool {
	var word string
	if !d.Atom(&word) {
		return false
	}
	event := EventUnknown
	for i, name := range notifyEvents {
		if strings.EqualFold(name, word) {
			event = 1 << i
		}
	}
	g.Events |= event
	if event != EventMessageNew || len(d.line) < 2 || d.line[0] != ' ' || d.line[1] != '(' {
		return true
	}
	var o FetchOptions
	ok := d.SP() && d.List(func() bool { return d.fetchItem(&o, string(d.word())) })
	g.Fetch = o.Items
	return ok
}

// AppendNotify appends what follows NOTIFY and a space. Names are in modified UTF-7.
func AppendNotify(dst []byte, o *NotifyOptions) []byte {
	if len(o.Groups) == 0 {
		return append(dst, "NONE"...)
	}
	dst = append(dst, "SET"...)
	if o.Status {
		dst = append(dst, " STATUS"...)
	}
	for i := range o.Groups {
		g := &o.Groups[i]
		dst = appendNotifyFilter(append(dst, " ("...), g)
		dst = append(appendNotifyGroup(append(dst, ' '), g), ')')
	}
	return dst
}

func appendNotifyFilter(dst []byte, g *NotifyGroup) []byte {
	dst = append(dst, notifyFilters[g.Filter]...)
	sep := " ("
	for _, name := range g.Mailboxes {
		dst = AppendMailbox(append(dst, sep...), name)
		sep = " "
	}
	if g.Mailboxes != nil {
		dst = append(dst, ')')
	}
	return dst
}

func appendNotifyGroup(dst []byte, g *NotifyGroup) []byte {
	if g.Events == 0 {
		return append(dst, "NONE"...)
	}
	sep := "("
	g.Events.Each(func(event NotifyEvents, name string) {
		dst = append(append(dst, sep...), name...)
		sep = " "
		if event == EventMessageNew && g.Fetch != nil {
			dst = AppendFetch(append(dst, ' '), &FetchOptions{Items: g.Fetch})
		}
	})
	if g.Events&EventUnknown != 0 {
		dst = append(append(dst, sep...), "X-UNKNOWN"...)
	}
	return append(dst, ')')
}

// Each calls fn with each event of the set that RFC 5465 knows, and its name.
func (events NotifyEvents) Each(fn func(event NotifyEvents, name string)) {
	for i, name := range notifyEvents {
		if event := NotifyEvents(1) << i; events&event != 0 {
			fn(event, name)
		}
	}
}
