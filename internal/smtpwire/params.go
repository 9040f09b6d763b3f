package smtpwire

import "strings"

// Param is one ESMTP parameter of MAIL or RCPT.
type Param struct {
	Keyword string // upper case
	Value   string // empty if there is none
}

// Params are the parameters of one command, in their order. No keyword is there
// twice.
type Params []Param

// maxParams is more than all extensions together define for one command.
const maxParams = 32

// parseParams parses `*(SP esmtp-keyword ["=" esmtp-value])` of RFC 5321 §4.1.2.
func parseParams(s string) (Params, error) {
	var params Params
	for word := range strings.FieldsSeq(s) {
		keyword, value, valued := strings.Cut(word, "=")
		p := Param{strings.ToUpper(keyword), value}
		switch {
		case !isKeyword(keyword):
			return nil, &SyntaxError{badArguments, "Parameters look like KEYWORD or KEYWORD=value"}
		case valued && !isParamValue(value):
			return nil, &SyntaxError{badArguments, "The value of " + p.Keyword + " is not allowed there"}
		case params.has(p.Keyword):
			return nil, &SyntaxError{badArguments, p.Keyword + " is given twice"}
		case len(params) == maxParams:
			return nil, &SyntaxError{badArguments, "Too many parameters"}
		}
		params = append(params, p)
	}
	return params, nil
}

// ParseAttributes parses the arguments of XCLIENT and XFORWARD: `1*(SP name "=" xtext)`,
// decoded. Values that are no xtext are taken as they stand, as old clients send them.
func ParseAttributes(args string) (Params, error) {
	attributes, err := parseParams(args)
	if err == nil && len(attributes) == 0 {
		err = &SyntaxError{badArguments, "Say what is to be known, like ADDR=192.0.2.1"}
	}
	for i := range attributes {
		a := &attributes[i]
		if a.Value == "" {
			return nil, &SyntaxError{badArguments, a.Keyword + " needs a value"}
		}
		if value, err := DecodeXtext(a.Value); err == nil {
			a.Value = value
		}
	}
	return attributes, err
}

func (p Params) has(keyword string) bool {
	for i := range p {
		if p[i].Keyword == keyword {
			return true
		}
	}
	return false
}

// isKeyword is esmtp-keyword: letters, digits and hyphens, not a hyphen first.
func isKeyword(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' && i > 0) {
			return false
		}
	}
	return s != ""
}

// isParamValue is esmtp-value, widened to UTF-8 by RFC 6531 §3.3. It lets "=" pass,
// which base64 in AUTH= and mailboxes in ORCPT= of real clients contain.
func isParamValue(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}
