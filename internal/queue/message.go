package queue

import (
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/blob"
	"posthorn/internal/dsn"
	"posthorn/internal/fault"
	"posthorn/internal/record"
)

// Message is a message with its envelope, as it is queued. It does not change.
type Message struct {
	ID         ID
	From       addr.Address // the reverse-path; zero: null
	Account    uint64       // who of ours has submitted it; 0: nobody
	Rewritten  addr.Address // what the next server is told instead, of what is forwarded; zero: From
	Recipients []Recipient  // at least one
	// Header are lines that are sent in front of the body: signatures of what follows.
	// Each ends with CRLF.
	Header []byte
	Body   Body

	Created   time.Time // when we took it over
	NotBefore time.Time // zero: deliver at once (FUTURERELEASE, RFC 4865)
	DeliverBy DeliverBy
	Priority  int  // -9 to 9, the higher the sooner (MT-PRIORITY, RFC 6710)
	Hold      bool // begins on hold: nothing is tried until it is released

	EnvelopeID  string     // of ENVID, decoded; "": none (RFC 3461)
	Return      dsn.Return // of RET
	EightBit    bool       // BODY=8BITMIME (RFC 6152)
	Binary      bool       // BODY=BINARYMIME (RFC 3030)
	UTF8        bool       // SMTPUTF8 (RFC 6531)
	RequireTLS  bool       // REQUIRETLS (RFC 8689)
	TLSOptional bool       // "TLS-Required: No" in the header (RFC 8689)

	Language string // of the sender, for notifications: "zh-CN"; "": not known
}

// Recipient is one forward-path.
type Recipient struct {
	Address  addr.Address // with a domain
	Notify   dsn.Notify   // of NOTIFY
	Original string       // of ORCPT, decoded: "rfc822;bob@example.test"; "": none
}

// DeliverBy is a deadline that the sender has set (RFC 2852). Zero: none.
type DeliverBy struct {
	At     time.Time
	Return bool // BY mode R: give up then; otherwise mode N: send word of the delay then
	Trace  bool // BY modifier T
}

// Body is the bytes of a message, in the commit or in the blob store.
type Body struct {
	Data []byte  // a small body; Put copies it
	Blob blob.ID // where a large one is, durable already
	Size int64   // bytes in all; Put takes it from Data if that is there
	// Skip is how many of them, at the beginning, are not to be sent: our own
	// Return-Path (RFC 5321 §4.4).
	Skip int64
}

// ReversePath is what the next server is told. Whoever is to hear of the message
// from us is still From.
func (m *Message) ReversePath() addr.Address {
	if m.Rewritten.IsZero() {
		return m.From
	}
	return m.Rewritten
}

// Len is how many of the bytes are to be sent.
func (b Body) Len() int64 { return b.Size - b.Skip }

// Size is how many bytes are to be sent in all.
func (m *Message) Size() int64 { return int64(len(m.Header)) + m.Body.Len() }

// maxHeader is how long Message.Header may be, in bytes; it is in the envelope, which
// every scan of the queue reads.
const maxHeader = 8 << 10

// check says what is wrong with a message, if anything; a fault.Invalid.
func (m *Message) check() error {
	if err := m.ID.check(); err != nil {
		return err
	}
	switch {
	case len(m.Recipients) == 0:
		return fault.New(fault.Invalid, "queue: message %s has no recipients", m.ID)
	case m.Created.IsZero():
		return fault.New(fault.Invalid, "queue: message %s has no time of arrival", m.ID)
	case m.Priority < -9 || m.Priority > 9:
		return fault.New(fault.Invalid, "queue: message %s has priority %d, not one from -9 to 9", m.ID, m.Priority)
	case (m.Body.Data == nil) == (m.Body.Blob == ""):
		return fault.New(fault.Invalid, "queue: message %s must have one body, small or large", m.ID)
	case len(m.Header) > maxHeader:
		return fault.New(fault.Invalid, "queue: message %s has %d bytes in front, not at most %d", m.ID, len(m.Header), maxHeader)
	case m.Body.Skip < 0 || m.Body.Data != nil && m.Body.Skip > int64(len(m.Body.Data)):
		return fault.New(fault.Invalid, "queue: message %s skips %d bytes of its body", m.ID, m.Body.Skip)
	}
	for _, to := range m.Recipients {
		if to.Address.Domain == "" {
			return fault.New(fault.Invalid, "queue: message %s has recipient %q without a domain", m.ID, to.Address)
		}
	}
	return nil
}

// start is when delivery may begin, from which the patience with it counts.
func (m *Message) start() time.Time {
	if m.NotBefore.After(m.Created) {
		return m.NotBefore
	}
	return m.Created
}

// DomainOf is where mail for an address goes, if nobody has chosen anything else: its
// domain in canonical form.
func DomainOf(to addr.Address) string {
	domain, err := addr.CanonicalDomain(to.Domain)
	if err != nil {
		return to.Domain
	}
	return domain
}

// envelopeVersion is the version of the envelope's record. 2 added Header,
// 3 Rewritten, 4 Account.
const envelopeVersion = 4

// encode gives the record of the envelope.
func (m *Message) encode() []byte {
	c := record.NewEncoder(96 + 64*len(m.Recipients))
	c.Byte(envelopeVersion)
	c.String(string(m.ID))
	encodeAddress(&c, m.From)
	c.Time(m.Created)
	c.Time(m.NotBefore)
	c.Time(m.DeliverBy.At)
	c.Int(int64(m.Priority))
	c.Bits(m.Hold, m.EightBit, m.Binary, m.UTF8, m.RequireTLS, m.TLSOptional, m.DeliverBy.Return, m.DeliverBy.Trace)
	c.String(string(m.Body.Blob))
	c.Uint(uint64(m.Body.Size))
	c.Uint(uint64(m.Body.Skip))
	c.String(m.EnvelopeID)
	c.Byte(byte(m.Return))
	c.String(m.Language)
	c.Bytes(m.Header)
	encodeAddress(&c, m.Rewritten)
	c.Uint(m.Account)
	c.Uint(uint64(len(m.Recipients)))
	for _, to := range m.Recipients {
		encodeAddress(&c, to.Address)
		c.Byte(byte(to.Notify))
		c.String(to.Original)
	}
	return c.Record()
}

const leastRecipient = 4 // bytes of the shortest recipient

func decodeMessage(b []byte) (*Message, error) {
	d := record.NewTextDecoder(b)
	version, err := d.Version(envelopeVersion, "queue: an envelope")
	if err != nil {
		return nil, err
	}
	m := &Message{ID: ID(d.String()), From: decodeAddress(&d)}
	m.Created = d.Time()
	m.NotBefore = d.Time()
	m.DeliverBy.At = d.Time()
	m.Priority = int(d.Int())
	d.Bits(&m.Hold, &m.EightBit, &m.Binary, &m.UTF8, &m.RequireTLS, &m.TLSOptional, &m.DeliverBy.Return, &m.DeliverBy.Trace)
	m.Body.Blob = blob.ID(d.String())
	m.Body.Size = int64(d.Uint())
	m.Body.Skip = int64(d.Uint())
	m.EnvelopeID = d.String()
	m.Return = dsn.Return(d.Byte())
	m.Language = d.String()
	if version >= 2 {
		if header := d.String(); header != "" {
			m.Header = []byte(header)
		}
	}
	if version >= 3 {
		m.Rewritten = decodeAddress(&d)
	}
	if version >= 4 {
		m.Account = d.Uint()
	}
	m.Recipients = make([]Recipient, d.Count(leastRecipient))
	for i := range m.Recipients {
		m.Recipients[i] = Recipient{decodeAddress(&d), dsn.Notify(d.Byte()), d.String()}
	}
	if len(m.Recipients) == 0 {
		d.Fail()
	}
	return m, d.Done("queue: an envelope")
}

func encodeAddress(c *record.Encoder, a addr.Address) {
	c.String(a.Local)
	c.String(a.Domain)
}

func decodeAddress(d *record.Decoder) addr.Address {
	return addr.Address{Local: d.String(), Domain: d.String()}
}
