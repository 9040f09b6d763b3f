package smtpwire

import (
	"strings"

	"posthorn/internal/addr"
)

// ParseMail parses the arguments of MAIL: `FROM:<reverse-path> [parameters]`. The
// null reverse-path is the zero address.
func ParseMail(args string) (from addr.Address, params Params, err error) {
	path, ok := cutPrefixFold(args, "FROM:")
	if !ok {
		return addr.Address{}, nil, &SyntaxError{badArguments, "Say MAIL FROM:<address>"}
	}
	path = skipSpace(path)
	if rest, ok := strings.CutPrefix(path, "<>"); ok {
		params, err = parseParams(rest)
		return addr.Address{}, params, err
	}
	from, rest, err := parsePath(path)
	if err != nil {
		return addr.Address{}, nil, &SyntaxError{badSender, "Not a sender address: " + err.Error()}
	}
	params, err = parseParams(rest)
	return from, params, err
}

// ParseRcpt parses the arguments of RCPT: `TO:<forward-path> [parameters]`. The
// bare `<postmaster>` of RFC 5321 §4.1.1.3 has an empty domain.
func ParseRcpt(args string) (to addr.Address, params Params, err error) {
	path, ok := cutPrefixFold(args, "TO:")
	if !ok {
		return addr.Address{}, nil, &SyntaxError{badArguments, "Say RCPT TO:<address>"}
	}
	path = skipSpace(path)
	if rest, ok := cutPrefixFold(path, "<postmaster>"); ok {
		params, err = parseParams(rest)
		return addr.Address{Local: "postmaster"}, params, err
	}
	to, rest, err := parsePath(path)
	if err != nil {
		return addr.Address{}, nil, &SyntaxError{badRecipient, "Not a recipient address: " + err.Error()}
	}
	params, err = parseParams(rest)
	return to, params, err
}

// skipSpace allows the space after the colon that the grammar does not, but that
// many programs send. They also leave out the angle brackets: see parsePath.
func skipSpace(s string) string { return strings.TrimLeft(s, " \t") }

// parsePath parses a Path of RFC 5321 §4.1.2 with one mailbox in it.
func parsePath(s string) (a addr.Address, rest string, err error) {
	inner, bracketed := strings.CutPrefix(s, "<")
	if bracketed {
		inner, err = skipRoute(inner)
	}
	if err == nil {
		a, rest, err = addr.ParsePrefix(inner)
	}
	if err != nil {
		return addr.Address{}, "", err
	}
	if bracketed {
		var closed bool
		if rest, closed = strings.CutPrefix(rest, ">"); !closed {
			return addr.Address{}, "", &SyntaxError{badSyntax, "it must stand between < and >"}
		}
	}
	if rest != "" && rest[0] != ' ' && rest[0] != '\t' {
		return addr.Address{}, "", &SyntaxError{badSyntax, "there is something behind it"}
	}
	return a, rest, nil
}

// skipRoute drops a source route `@a,@b:`, which must be accepted and should be
// ignored (RFC 5321 §4.1.2, A-d-l).
func skipRoute(s string) (string, error) {
	if !strings.HasPrefix(s, "@") {
		return s, nil
	}
	// A domain literal in a route may hold colons, so the route is walked.
	for {
		var ok bool
		if s, ok = strings.CutPrefix(s, "@"); !ok {
			return "", errRoute
		}
		end := strings.IndexAny(s, ",:")
		if strings.HasPrefix(s, "[") {
			end = strings.IndexByte(s, ']') + 1
		}
		if end <= 0 || end == len(s) {
			return "", errRoute
		}
		separator := s[end]
		s = s[end+1:]
		switch separator {
		case ':':
			return s, nil
		case ',':
		default:
			return "", errRoute
		}
	}
}

var errRoute = &SyntaxError{badSyntax, "its source route does not end"}
