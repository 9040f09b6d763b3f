package history

import (
	"net/netip"
	"time"

	"posthorn/internal/obs"
	"posthorn/internal/record"
)

// batchVersion is the version of the form of a batch.
const batchVersion = 1

const (
	// maxText is how much is kept of a text: more than any reply that people read.
	maxText = 1 << 10
	// maxTo is how many recipients one event has here. One with more becomes several.
	maxTo = 500
	// maxAccounts is how many accounts are kept of one recipient.
	maxAccounts = 1000
)

// The texts of an event, by their place in a record.
const numTexts = 18

// textBit is the flag of a text. Those that have come later are behind the others.
func textBit(i int) uint64 {
	if i < firstTexts {
		return 1 << i
	}
	return lateTexts << (i - firstTexts)
}

func textsOf(e *obs.Event) [numTexts]string {
	return [numTexts]string{
		e.Message, e.Related, e.MessageID, e.Conn, e.Protocol, e.Hello, e.User, e.TLS, e.From,
		e.Rule, e.Reply, e.Error, e.Destination, e.Host, e.Action,
		e.By, e.Folder, e.Detail,
	}
}

func setTexts(e *obs.Event, t *[numTexts]string) {
	for i, p := range []*string{
		&e.Message, &e.Related, &e.MessageID, &e.Conn, &e.Protocol, &e.Hello, &e.User, &e.TLS, &e.From,
		&e.Rule, &e.Reply, &e.Error, &e.Destination, &e.Host, &e.Action,
		&e.By, &e.Folder, &e.Detail,
	} {
		*p = t[i]
	}
}

// before is what a record leaves out because the one before it in the batch has said
// it already.
type before struct {
	texts  [numTexts]string
	remote netip.Addr
	to     string // the last recipient
	at     int64  // Unix microseconds
}

// The flags of a record, behind the bits of the first texts that it has.
const (
	firstTexts = 15
	hasRemote  = 1 << (firstTexts + iota - 1)
	hasTo
	hasSize
	hasTook
	hasAttempts
	hasNext
	inMailbox
	hasCount
	lateTexts // and on
)

// flags says what an event has, and what of that is the same as before.
func (b *before) flags(e *obs.Event, texts *[numTexts]string, remote netip.Addr) (has, same uint64) {
	for i, text := range texts {
		if text != "" {
			has |= textBit(i)
		}
		if text == b.texts[i] {
			same |= has & textBit(i)
		}
	}
	for _, flag := range [...]struct {
		bit uint64
		set bool
	}{
		{hasRemote, remote.IsValid()},
		{hasTo, len(e.To) > 0},
		{hasSize, e.Size > 0},
		{hasTook, e.Took > 0},
		{hasAttempts, e.Attempts > 0},
		{hasNext, !e.Next.IsZero()},
		{inMailbox, e.Mailbox},
		{hasCount, e.Count > 0},
	} {
		if flag.set {
			has |= flag.bit
		}
	}
	if remote == b.remote {
		same |= has & hasRemote
	}
	return has, same
}

// encode appends the record of an event: what it has, what of that is the same as
// before, and then the rest; of texts only what differs from the one before.
func (b *before) encode(c *record.Encoder, e *obs.Event) {
	texts, remote, at := textsOf(e), e.Remote.Unmap().WithZone(""), e.Time.UnixMicro()
	has, same := b.flags(e, &texts, remote)
	c.Byte(byte(e.Kind))
	c.Uint(has)
	c.Uint(same)
	c.Int(at - b.at)
	b.at = at
	for i := range texts {
		if has&^same&textBit(i) != 0 {
			b.texts[i] = encodeText(c, b.texts[i], texts[i])
		}
	}
	if has&^same&hasRemote != 0 {
		b.remote = remote
		ip := remote.As16()
		from := 0
		if remote.Is4() {
			from = 12
		}
		c.Bytes(ip[from:])
	}
	if has&hasTo != 0 {
		b.encodeTo(c, e.To)
	}
	for _, number := range [...]struct {
		bit   uint64
		value int64
	}{
		{hasSize, e.Size},
		{hasTook, int64(e.Took / time.Microsecond)},
		{hasAttempts, int64(e.Attempts)},
		{hasNext, e.Next.UnixMicro() - at},
		{hasCount, int64(e.Count)},
	} {
		if has&number.bit != 0 {
			c.Int(number.value)
		}
	}
}

// encodeText writes how much of a text is as before, and the rest of it. It returns
// what a reader then has.
func encodeText(c *record.Encoder, before, text string) string {
	text = text[:min(len(text), maxText)]
	n := 0
	for n < min(len(before), len(text)) && before[n] == text[n] {
		n++
	}
	c.Uint(uint64(n))
	c.String(text[n:])
	return text
}

func (b *before) encodeTo(c *record.Encoder, to []obs.EventRecipient) {
	c.Uint(uint64(len(to)))
	for i := range to {
		b.to = encodeText(c, b.to, to[i].Address)
		accounts := to[i].Accounts[:min(len(to[i].Accounts), maxAccounts)]
		head := uint64(len(accounts)) << 1
		if to[i].Queued {
			head |= 1
		}
		c.Uint(head)
		for _, account := range accounts {
			c.Uint(account)
		}
	}
}

// decode reads the next record of a batch.
func (b *before) decode(d *record.Decoder) *obs.Event {
	e := &obs.Event{Kind: obs.EventKind(d.Byte())}
	has, same := d.Uint(), d.Uint()
	b.at += d.Int()
	e.Time = time.UnixMicro(b.at)
	var texts [numTexts]string
	for i := range texts {
		switch bit := textBit(i); {
		case has&bit == 0:
			continue
		case same&bit == 0:
			b.texts[i] = decodeText(d, b.texts[i])
		}
		texts[i] = b.texts[i]
	}
	setTexts(e, &texts)
	if has&^same&hasRemote != 0 {
		ip, ok := netip.AddrFromSlice(d.Bytes())
		if b.remote = ip; !ok {
			d.Fail()
		}
	}
	if has&hasRemote != 0 {
		e.Remote = b.remote
	}
	if has&hasTo != 0 {
		b.decodeTo(d, e)
	}
	number := func(bit uint64) (v int64) {
		if has&bit != 0 {
			v = d.Int()
		}
		return v
	}
	e.Size = number(hasSize)
	e.Took = time.Duration(number(hasTook)) * time.Microsecond
	e.Attempts = int(number(hasAttempts))
	if next := number(hasNext); has&hasNext != 0 {
		e.Next = time.UnixMicro(b.at + next)
	}
	e.Count = int(number(hasCount))
	e.Mailbox = has&inMailbox != 0
	return e
}

func decodeText(d *record.Decoder, before string) string {
	n := d.Uint()
	if n > uint64(len(before)) {
		d.Fail()
		return ""
	}
	rest := d.String()
	if n == 0 {
		return rest
	}
	if n+uint64(len(rest)) > maxText {
		d.Fail() // or records that build upon each other could ask for any amount of memory
		return ""
	}
	return before[:n] + rest
}

func (b *before) decodeTo(d *record.Decoder, e *obs.Event) {
	const least = 3 // bytes of the shortest recipient
	e.To = make([]obs.EventRecipient, d.Count(least))
	for i := range e.To {
		b.to = decodeText(d, b.to)
		to := &e.To[i]
		to.Address = b.to
		head := d.Uint()
		to.Queued = head&1 != 0
		if head>>1 > maxAccounts {
			d.Fail()
			return
		}
		for range head >> 1 {
			to.Accounts = append(to.Accounts, d.Uint())
		}
	}
}
