package imapwire

import (
	"strconv"
	"strings"

	"posthorn/internal/message"
)

// emptyPart stands where the grammar wants a part and the message has none: a
// multipart without parts, an embedded message that could not be read.
const emptyPart = `("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)`

// AppendBodyStructure appends a BODYSTRUCTURE. It is valid whatever p is.
func AppendBodyStructure(dst []byte, p *message.Part) []byte {
	dst = append(dst, '(')
	switch {
	case p.IsMultipart():
		for _, child := range p.Parts {
			dst = AppendBodyStructure(dst, child)
		}
		if len(p.Parts) == 0 {
			dst = append(dst, emptyPart...)
		}
		dst = append(AppendString(append(dst, ' '), p.Subtype), ' ')
		dst = appendParams(dst, p.Params)
	default:
		dst = appendLeaf(dst, p)
	}
	return append(appendExtension(dst, p), ')')
}

// appendLeaf appends what a part without parts of its own, or with an embedded
// message, has up to its MD5 (RFC 9051 §7.5.2).
func appendLeaf(dst []byte, p *message.Part) []byte {
	dst = append(AppendString(dst, p.Type), ' ')
	dst = append(AppendString(dst, p.Subtype), ' ')
	dst = append(appendParams(dst, p.Params), ' ')
	dst = append(AppendNString(dst, p.ID), ' ')
	dst = append(AppendNString(dst, p.Description), ' ')
	encoding := p.Encoding
	if encoding == "" {
		encoding = "7bit" // RFC 2045 §6.1
	}
	dst = append(AppendString(dst, encoding), ' ')
	dst = strconv.AppendInt(dst, p.End-p.BodyStart, 10)
	switch {
	case p.IsEmbedded():
		dst = append(dst, ' ')
		if len(p.Parts) == 1 {
			dst = append(AppendEnvelope(dst, p.Parts[0].Envelope), ' ')
			dst = AppendBodyStructure(dst, p.Parts[0])
		} else {
			dst = append(AppendEnvelope(dst, nil), ' ')
			dst = append(dst, emptyPart...)
		}
		dst = strconv.AppendInt(append(dst, ' '), p.Lines, 10)
	case p.IsText():
		dst = strconv.AppendInt(append(dst, ' '), p.Lines, 10)
	}
	return AppendNString(append(dst, ' '), p.MD5)
}

// appendExtension appends disposition, languages and location.
func appendExtension(dst []byte, p *message.Part) []byte {
	dst = append(dst, ' ')
	if p.Disposition == "" {
		dst = append(dst, "NIL "...)
	} else {
		dst = append(AppendString(append(dst, '('), p.Disposition), ' ')
		dst = append(appendParams(dst, p.DispositionParams), ") "...)
	}
	switch len(p.Language) {
	case 0:
		dst = append(dst, "NIL"...)
	case 1:
		dst = AppendString(dst, p.Language[0])
	default:
		for i, l := range p.Language {
			dst = AppendString(append(dst, "( "[min(i, 1)]), l)
		}
		dst = append(dst, ')')
	}
	return AppendNString(append(dst, ' '), p.Location)
}

func appendParams(dst []byte, params []message.Param) []byte {
	if len(params) == 0 {
		return append(dst, "NIL"...)
	}
	for i, p := range params {
		dst = append(dst, "( "[min(i, 1)])
		if all(p.Value, textChar) || strings.Contains(p.Name, "*") {
			dst = append(AppendString(dst, p.Name), ' ')
			dst = AppendString(dst, p.Value)
			continue
		}
		dst = appendExtendedParam(dst, p)
	}
	return append(dst, ')')
}

// appendExtendedParam appends a parameter whose value is not ASCII in the form of
// RFC 2231 §4, which is how it came or should have come, and what clients expect.
func appendExtendedParam(dst []byte, p message.Param) []byte {
	dst = append(AppendString(dst, p.Name+"*"), " \"utf-8''"...)
	for i := range len(p.Value) {
		if c := p.Value[i]; classes[c]&atomChar != 0 && c != '\'' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return append(dst, '"')
}
