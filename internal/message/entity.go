package message

import "strings"

// readHeader fills in what the header block of a part says: its Content- fields
// and, if the part has an Envelope, that. fallback is the media type in the
// absence of a usable Content-Type.
func (p *Part) readHeader(header []byte, fallback mediaType) {
	block := string(header) // one copy, of which all values are substrings
	var seen fieldSet
	for at := 0; ; {
		f, ok := nextField(header, at)
		if !ok {
			break
		}
		name := knownField(block[at:f.name])
		at = f.end
		// The first field of a name counts; of recipients, all do.
		if name == fieldOther || seen.has(name) && !name.mayRepeat() {
			continue
		}
		seen.add(name)
		value := block[f.value:f.valueEnd]
		if name >= fieldContentType {
			p.readContentField(name, value)
		} else if p.Envelope != nil {
			p.Envelope.read(name, value)
		}
	}
	if p.Type == "" {
		p.Type, p.Subtype = fallback.main, fallback.sub
		if p.IsText() && findParam(p.Params, "charset") == "" {
			p.Params = append(p.Params, defaultCharset)
		}
	}
}

// mediaType is a default for Content-Type.
type mediaType struct{ main, sub string }

var (
	plainText   = mediaType{"text", "plain"}
	digestEntry = mediaType{"message", "rfc822"} // RFC 2046 §5.1.5
)

// defaultCharset goes with the default type: RFC 2045 §5.2.
var defaultCharset = Param{"charset", "us-ascii"}

func (p *Part) readContentField(name knownName, value string) {
	switch name {
	case fieldContentType:
		var media string
		media, p.Params = parseParamField(value)
		if mainType, subtype, ok := splitMediaType(media); ok {
			p.Type, p.Subtype = mainType, subtype
		}
	case fieldContentDisposition:
		p.Disposition, p.DispositionParams = parseParamField(value)
		if p.Disposition == "" && p.DispositionParams != nil {
			p.Disposition = "attachment" // RFC 2183 §2.8: what is not known is an attachment
		}
	case fieldContentTransferEncoding:
		p.Encoding = firstToken(unfold(value))
	case fieldContentID:
		p.ID = unfold(value)
	case fieldContentDescription:
		p.Description = unfold(value)
	case fieldContentMD5:
		p.MD5 = unfold(value)
	case fieldContentLocation:
		p.Location = unfold(value)
	case fieldContentLanguage:
		for tag := range strings.SplitSeq(dropComments(unfold(value)), ",") {
			if tag = strings.Trim(tag, " \t"); tag != "" && len(p.Language) < maxParams {
				p.Language = append(p.Language, tag)
			}
		}
	}
}

// firstToken is the token that s begins with after any comment.
func firstToken(s string) string {
	s = strings.TrimLeft(dropComments(s), " \t\"")
	i := 0
	for i < len(s) && isTokenByte(s[i]) {
		i++
	}
	return s[:i]
}

func (e *Envelope) read(name knownName, value string) {
	switch name {
	case fieldDate:
		e.Date = unfold(value)
		e.SentDate, _ = ParseDate(e.Date) // the zero time says that there is none
	case fieldSubject:
		e.Subject = unfold(value)
	case fieldMessageID:
		e.MessageID = unfold(value)
	case fieldInReplyTo:
		e.InReplyTo = unfold(value)
	case fieldFrom:
		e.From = ParseAddressList(value)
	case fieldSender:
		e.Sender = ParseAddressList(value)
	case fieldReplyTo:
		e.ReplyTo = ParseAddressList(value)
	case fieldTo:
		e.To = appendAddresses(e.To, value)
	case fieldCc:
		e.Cc = appendAddresses(e.Cc, value)
	case fieldBcc:
		e.Bcc = appendAddresses(e.Bcc, value)
	}
}

func appendAddresses(list []Address, value string) []Address {
	switch {
	case list == nil:
		return ParseAddressList(value)
	case len(list) >= maxAddresses:
		return list
	}
	return append(list, ParseAddressList(value)...)
}

// knownName is a field that the scanner reads.
type knownName uint8

const (
	fieldOther knownName = iota
	fieldDate
	fieldSubject
	fieldMessageID
	fieldInReplyTo
	fieldFrom
	fieldSender
	fieldReplyTo
	fieldTo
	fieldCc
	fieldBcc
	fieldContentType // from here on: fields of any part
	fieldContentDisposition
	fieldContentTransferEncoding
	fieldContentID
	fieldContentDescription
	fieldContentMD5
	fieldContentLocation
	fieldContentLanguage
)

func (n knownName) mayRepeat() bool { return n == fieldTo || n == fieldCc || n == fieldBcc }

// fieldSet is a set of known names.
type fieldSet uint32

func (s *fieldSet) add(n knownName)     { *s |= 1 << n }
func (s fieldSet) has(n knownName) bool { return s&(1<<n) != 0 }

// knownField finds out which field a name means, in any case.
func knownField(name string) knownName {
	const longest = len("content-transfer-encoding")
	var lower [longest]byte
	if len(name) > longest {
		return fieldOther
	}
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		lower[i] = c
	}
	switch string(lower[:len(name)]) {
	case "date":
		return fieldDate
	case "subject":
		return fieldSubject
	case "message-id":
		return fieldMessageID
	case "in-reply-to":
		return fieldInReplyTo
	case "from":
		return fieldFrom
	case "sender":
		return fieldSender
	case "reply-to":
		return fieldReplyTo
	case "to":
		return fieldTo
	case "cc":
		return fieldCc
	case "bcc":
		return fieldBcc
	case "content-type":
		return fieldContentType
	case "content-disposition":
		return fieldContentDisposition
	case "content-transfer-encoding":
		return fieldContentTransferEncoding
	case "content-id":
		return fieldContentID
	case "content-description":
		return fieldContentDescription
	case "content-md5":
		return fieldContentMD5
	case "content-location":
		return fieldContentLocation
	case "content-language":
		return fieldContentLanguage
	}
	return fieldOther
}
