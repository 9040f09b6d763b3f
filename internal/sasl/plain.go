package sasl

import (
	"bytes"
	"unicode/utf8"

	"posthorn/internal/fault"
)

// maxField is the longest identity or password that is looked at. RFC 4616 §2
// suggests 255 octets each.
const maxField = 1024

// NewPlain is the mechanism PLAIN (RFC 4616): everything in one response.
func NewPlain(verify Verify) Server { return &plain{verify: verify} }

type plain struct {
	verify Verify
	asked  bool
}

func (p *plain) Next(response []byte) ([]byte, bool, error) {
	if response == nil && !p.asked {
		p.asked = true
		return []byte{}, false, nil
	}
	// RFC 4616 §2: message = [authzid] NUL authcid NUL passwd
	fields := bytes.Split(response, []byte{0})
	if len(fields) != 3 {
		return nil, false, fault.New(fault.Invalid, "sasl: PLAIN: want authzid NUL user NUL password, got %d fields", len(fields))
	}
	for i, f := range fields {
		if err := checkField("PLAIN", f, i == 0); err != nil {
			return nil, false, err
		}
	}
	err := p.verify(string(fields[0]), string(fields[1]), string(fields[2]))
	return nil, err == nil, err
}

// checkField holds an identity or password to what every mechanism here allows.
func checkField(mechanism string, f []byte, mayBeEmpty bool) error {
	switch {
	case len(f) == 0 && !mayBeEmpty:
		return fault.New(fault.Invalid, "sasl: %s: user or password is empty", mechanism)
	case len(f) > maxField:
		return fault.New(fault.Invalid, "sasl: %s: field of %d bytes; at most %d", mechanism, len(f), maxField)
	case !utf8.Valid(f) || bytes.IndexByte(f, 0) >= 0:
		return fault.New(fault.Invalid, "sasl: %s: field is not UTF-8 text", mechanism)
	}
	return nil
}
