// Package message takes RFC 5322/MIME messages apart while their bytes arrive.
//
// It owns the structure of a message (which bytes are which part), the values
// of its header fields (addresses, dates, parameters, encoded words) and the
// decodings that turn a part into text (transfer encodings, charsets). It never
// does I/O of its own, never keeps a body, never fails on bad mail and never
// changes a message: offsets always speak of the bytes as they were written.
//
// Flow: bytes are pushed into a Scanner as they come from the network; Finish
// gives a Message, the tree of its Parts with byte offsets, what IMAP calls
// envelope and body structure, and a preview. Part.Layout is the small map
// that is stored beside the message, so that a part is later read by one
// ranged read, without parsing again.
//
// Invariants, for any input whatever:
//   - HeaderStart <= BodyStart <= End <= Size for every part;
//   - the children of a part lie in [BodyStart, End) of their parent, in
//     ascending order, and do not overlap;
//   - a multipart has at least one child, an embedded message exactly one, so
//     that a body structure can always be written;
//   - the result does not depend on how the bytes were cut into writes;
//   - memory stays bounded: see the limits below.
package message

import (
	"strings"
	"time"
)

// What a Scanner keeps at most, whatever the size of the message. A message
// that exceeds one of the first four is still scanned to its end, and
// Message.Truncated is set.
const (
	// maxHeader is how many bytes of raw header blocks are kept, over the root
	// and all embedded messages together.
	maxHeader = 256 << 10
	// maxPartHeader is how many bytes of the headers of body parts are looked
	// at, over all parts together.
	maxPartHeader = 1 << 20
	// maxDepth is how deep multiparts and embedded messages may nest. A deeper
	// one is a leaf of type application/octet-stream.
	maxDepth = 50
	// maxParts is how many parts a message may have. What follows the last one
	// is skipped like an epilogue.
	maxParts = 10_000
	// maxAddresses is how many addresses are taken from one list.
	maxAddresses = 5_000
	// maxDelimiter is how long a line may be that is still compared with the
	// boundaries: "--", boundary, "--" and any transport padding.
	maxDelimiter = 1 << 10
)

// Message is what a Scanner found out about one message.
type Message struct {
	Size    int64  // in bytes
	Root    *Part  // the message itself; never nil
	Preview string // RFC 8970: up to 200 characters of text on one line; "" if there is no text

	Has8Bit     bool  // there are bytes above 127
	HasNUL      bool  // there are NUL bytes
	Truncated   bool  // a limit was hit: some parts or header fields are not described
	LongestLine int64 // bytes of the longest line, without its line end
}

// Part is one node of the MIME tree: a message, a multipart or a leaf.
type Part struct {
	// Header is the raw header block of the root and of embedded messages,
	// including its blank line; nil for other parts. At most 256 KiB are kept
	// of all of them together; the rest of a longer one is cut off.
	Header []byte

	// Byte offsets in the message. [HeaderStart, BodyStart) is the header block
	// with its blank line, [BodyStart, End) the body. The line end before a
	// boundary belongs to the boundary (RFC 2046 §5.1.1), not to the body.
	HeaderStart, BodyStart, End int64
	// Lines counts the line ends in the body, for text/* and embedded messages.
	Lines int64

	// Type and Subtype are as written. Without a usable Content-Type they are
	// what RFC 2045 §5.2 and RFC 2046 §5.1.5 say: text/plain with charset
	// us-ascii, message/rfc822 inside multipart/digest.
	Type, Subtype string
	Params        []Param

	ID, Description, Encoding, MD5, Location string // unfolded, otherwise as written; "" if absent
	Disposition                              string
	DispositionParams                        []Param
	Language                                 []string

	Envelope *Envelope // of the root and of embedded messages, else nil
	Parts    []*Part   // of a multipart its parts, of an embedded message exactly one: the message
}

// Param is a parameter of Content-Type or Content-Disposition. The name is as
// written, without RFC 2231 marks; the value is decoded to UTF-8.
type Param struct{ Name, Value string }

// Envelope is what IMAP calls by that name. Texts are unfolded, otherwise raw:
// RFC 2047 words are not decoded (see DecodeHeader). A list is nil if its field
// is absent or empty; falling back from Sender and Reply-To to From is left to
// the reader.
type Envelope struct {
	Date, Subject, InReplyTo, MessageID string

	From, Sender, ReplyTo, To, Cc, Bcc []Address

	SentDate time.Time // Date parsed; zero if that is impossible
}

// Address is an entry of an address list, as in IMAP's ENVELOPE. The start of a
// group has its name in Mailbox and an empty Host; the end of a group has both
// empty. Name keeps RFC 2047 words raw; quotes are removed from Name and
// Mailbox. What a broken address lacks is MissingMailbox or MissingDomain.
type Address struct{ Name, Route, Mailbox, Host string }

// What stands in an Address that has no local part or no domain, since IMAP
// gives a meaning to their being empty. Clients know these from other servers.
const (
	MissingMailbox = "MISSING_MAILBOX"
	MissingDomain  = "MISSING_DOMAIN"
)

// Param gives the value of a Content-Type parameter, "" if there is none.
// Names are compared without regard to case.
func (p *Part) Param(name string) string { return findParam(p.Params, name) }

// Filename is the name that the sender suggests for the part, "" if none.
func (p *Part) Filename() string {
	if name := findParam(p.DispositionParams, "filename"); name != "" {
		return name
	}
	return findParam(p.Params, "name")
}

// IsText says whether the part is of type text/*.
func (p *Part) IsText() bool { return strings.EqualFold(p.Type, "text") }

// IsMultipart says whether the part is of type multipart/*.
func (p *Part) IsMultipart() bool { return strings.EqualFold(p.Type, "multipart") }

// IsEmbedded says whether the part holds a message of its own (RFC 2046 §5.2.1,
// RFC 6532 §3.7).
func (p *Part) IsEmbedded() bool {
	return strings.EqualFold(p.Type, "message") &&
		(strings.EqualFold(p.Subtype, "rfc822") || strings.EqualFold(p.Subtype, "global"))
}

func findParam(params []Param, name string) string {
	for _, p := range params {
		if strings.EqualFold(p.Name, name) {
			return p.Value
		}
	}
	return ""
}
