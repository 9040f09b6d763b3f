package dkim

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/message"
)

// Digest takes in a message while it passes, and can then sign it, with any number
// of keys: which ones may be known only from its header. Its memory is bounded by
// the header's.
type Digest struct {
	header []byte // as far as it has passed
	ended  bool   // the blank line has passed
	long   bool   // the header is longer than we keep
	body   *relaxedBody
	hash   []byte // of the body, once it is known
}

// NewDigest begins a message.
func NewDigest() *Digest { return &Digest{body: newRelaxedBody(sha256.New())} }

// maxHeader is the longest header that is signed.
const maxHeader = 1 << 20

// Write takes the next bytes of the message. It never fails.
func (d *Digest) Write(p []byte) (int, error) {
	switch {
	case d.ended:
		d.body.write(p)
	case !d.long:
		d.inHeader(p)
	}
	return len(p), nil
}

// inHeader takes the next bytes while the blank line has not passed.
func (d *Digest) inHeader(p []byte) {
	const lineEnd, blankLine = "\r\n", "\r\n\r\n"
	from := max(0, len(d.header)-len(blankLine)+1)
	d.header = append(d.header, p...)
	end := bytes.Index(d.header[from:], []byte(blankLine)) + from + len(lineEnd)
	switch {
	case bytes.HasPrefix(d.header, []byte(lineEnd)): // there are no fields
		end = 0
	case end < from+len(lineEnd):
		if len(d.header) > maxHeader {
			d.header, d.long = nil, true
		}
		return
	}
	d.ended = true
	d.body.write(d.header[end+len(lineEnd):])
	d.header = d.header[:end]
}

// Sign gives the signatures of the message that has passed, lines of a header that
// belong in front of it, one for each key. Kind of error: Invalid, if a message
// like this cannot be signed.
func (d *Digest) Sign(at time.Time, keys ...Key) ([]byte, error) {
	if d.long {
		return nil, fault.New(fault.Invalid, "dkim: a header of more than %d bytes is not signed", maxHeader)
	}
	if d.hash == nil {
		d.hash = d.body.sum()
	}
	fields := pick(d.header)
	if !fields.has("from") {
		return nil, fault.New(fault.Invalid, "dkim: a message without From is not signed") // RFC 6376 §5.4
	}
	var lines []byte
	for i := range keys {
		line, err := fields.sign(d.hash, at, &keys[i])
		if err != nil {
			return nil, err
		}
		lines = append(lines, line...)
	}
	return lines, nil
}

// Sign signs a message that is at hand as a whole.
func Sign(message []byte, at time.Time, keys ...Key) ([]byte, error) {
	d := NewDigest()
	_, _ = d.Write(message) // it never fails
	return d.Sign(at, keys...)
}

// sealed are the fields of which, once signed, no further one may be added
// (RFC 6376 §8.15): h= names each once more than it is there.
func sealed() []string {
	return []string{
		"From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
		"MIME-Version", "Content-Type", "Content-Transfer-Encoding",
	}
}

// signed are those that are signed where they are there; somebody on the way, a
// mailing list, may add to them. Trace fields, which change, and Bcc are in neither
// list (RFC 6376 §5.4.1).
func signed() []string {
	return []string{
		"Sender", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc", "Resent-Date", "Resent-Message-ID",
		"Content-ID", "Content-Description", "Content-Disposition",
		"List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Subscribe", "List-Post", "List-Owner", "List-Archive",
	}
}

// maxInstances is how many fields of one name are signed: those nearest to the body,
// which is where a verifier begins (RFC 6376 §5.4.2).
const maxInstances = 4

// picked are the fields of a message that are signed.
type picked struct {
	fields []message.Field // in the order of names
	names  []string        // what h= says
}

// pick finds the fields to be signed.
func pick(header []byte) picked {
	found := map[string][]message.Field{}
	for f := range message.Fields(header) {
		name := strings.ToLower(string(f.Name))
		found[name] = append(found[name], f)
	}
	var p picked
	add := func(name string) {
		all := found[strings.ToLower(name)]
		for i := len(all) - 1; i >= max(0, len(all)-maxInstances); i-- {
			p.fields = append(p.fields, all[i])
			p.names = append(p.names, name)
		}
	}
	for _, name := range sealed() {
		add(name)
		if len(found[strings.ToLower(name)]) <= maxInstances {
			p.names = append(p.names, name)
		}
	}
	for _, name := range signed() {
		add(name)
	}
	return p
}

func (p *picked) has(name string) bool {
	for _, f := range p.fields {
		if strings.EqualFold(string(f.Name), name) {
			return true
		}
	}
	return false
}

const fieldName = "DKIM-Signature"

// sign makes one signature: the field with its line end.
func (p *picked) sign(body []byte, at time.Time, k *Key) ([]byte, error) {
	f := folder{}
	f.text(fieldName + ": v=1; a=" + string(k.Algorithm) + "-sha256; c=relaxed/relaxed;")
	f.text(" d=" + k.Domain + ";")
	f.text(" s=" + k.Selector + ";")
	f.text(" t=" + strconv.FormatInt(at.Unix(), 10) + ";")
	f.list(" h=", p.names)
	f.text(" bh=" + base64.StdEncoding.EncodeToString(body) + ";")
	f.text(" b=")

	h := sha256.New()
	for _, field := range p.fields {
		writeRelaxed(h, field.Name, field.Value)
		h.Write([]byte("\r\n"))
	}
	// RFC 6376 §3.7: the signature signs itself, without its value and its line end.
	writeRelaxed(h, []byte(fieldName), f.b[len(fieldName)+1:])
	options := crypto.SignerOpts(crypto.SHA256)
	if k.Algorithm == Ed25519 {
		options = crypto.Hash(0) // RFC 8463 §3: the hash is what is signed, not what is hashed
	}
	value, err := k.Private.Sign(rand.Reader, h.Sum(nil), options)
	if err != nil {
		return nil, fault.New(fault.Internal, "dkim: signing for %s: %w", RecordName(k.Selector, k.Domain), err)
	}
	f.broken(base64.StdEncoding.EncodeToString(value))
	return append(f.b, "\r\n"...), nil
}

// folder writes a field in lines of a decent length.
type folder struct {
	b      []byte
	column int
}

const lineWidth = 76

// text appends what cannot be broken; a blank at its beginning may become a fold.
func (f *folder) text(s string) {
	if f.column+len(s) > lineWidth && s[0] == ' ' && f.column > 1 {
		f.fold()
		s = s[1:]
	}
	f.b = append(f.b, s...)
	f.column += len(s)
}

func (f *folder) fold() {
	f.b = append(f.b, "\r\n\t"...)
	f.column = 1
}

// list appends a tag with a list that may be broken behind its colons.
func (f *folder) list(tag string, words []string) {
	for i, word := range words {
		if i < len(words)-1 {
			word += ":"
		} else {
			word += ";"
		}
		switch {
		case i == 0:
			f.text(tag + word)
		case f.column+len(word) > lineWidth:
			f.fold()
			fallthrough
		default:
			f.text(word)
		}
	}
}

// broken appends what may be broken anywhere.
func (f *folder) broken(s string) {
	for {
		n := min(len(s), lineWidth-f.column)
		f.b = append(f.b, s[:n]...)
		f.column += n
		if s = s[n:]; s == "" {
			return
		}
		f.fold()
	}
}
