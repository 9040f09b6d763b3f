// Package sasl owns the server's side of SASL mechanisms (RFC 4422): bytes in,
// challenges out, and in the end one call that says whether the credentials hold.
//
// It never knows whose credentials they are (Verify does), when a mechanism is offered
// (login does), nor the protocol that carries it: how a failure is worded belongs to the
// protocol's face. Converse runs an exchange over the base64 lines that SMTP, IMAP and
// POP3 have in common.
//
// A mechanism is a constructor that takes what proves a user and gives a Server.
package sasl

import (
	"bytes"
	"encoding/base64"
	"strings"

	"posthorn/internal/fault"
)

// Verify proves a user's password. authzid, when not empty, is the identity the
// client wants to act as. Its error is what the exchange ends with.
type Verify func(authzid, user, password string) error

// Server is one exchange under way.
type Server interface {
	// Next takes the client's response and gives the next challenge, or done. The
	// first response is nil when the client sent none along with the mechanism's
	// name. After done or an error the Server must not be used again.
	Next(response []byte) (challenge []byte, done bool, err error)
}

// Canonical is the registered form of a mechanism's name, which may be in any case
// (RFC 4422 §3.1 wants capitals; clients send others).
func Canonical(name string) string { return strings.ToUpper(name) }

// ErrAborted ends an exchange that the client broke off with "*".
var ErrAborted = fault.New(fault.Canceled, "sasl: the client ended the exchange")

// Converse runs an exchange. initial is the initial response in base64 as it stood
// on the command ("" if there was none); ask sends a challenge, in base64, and
// returns the client's answer without its line end. It returns nil when the
// credentials are proven, ErrAborted, an error of kind Invalid for malformed
// input, or what Verify or ask returned.
func Converse(s Server, initial string, ask func(challenge string) ([]byte, error)) error {
	response, err := DecodeInitial(initial)
	for {
		if err != nil {
			return err
		}
		challenge, done, err := s.Next(response)
		if err != nil || done {
			return err
		}
		line, err := ask(base64.StdEncoding.EncodeToString(challenge))
		if err != nil {
			return err
		}
		if response, err = Decode(line); err != nil {
			return err
		}
	}
}

// DecodeInitial decodes an initial response. A single "=" is a response that is
// there but empty (RFC 4954 §4, RFC 4959 §3, RFC 5034 §4); "" is none at all.
func DecodeInitial(initial string) ([]byte, error) {
	switch initial {
	case "":
		return nil, nil
	case "=":
		return []byte{}, nil
	}
	return decodeBase64([]byte(initial))
}

// Decode decodes a client's answer to a challenge, which may be "*" to abort.
func Decode(line []byte) ([]byte, error) {
	if string(line) == "*" {
		return nil, ErrAborted
	}
	return decodeBase64(line)
}

func decodeBase64(line []byte) ([]byte, error) {
	if bytes.ContainsAny(line, "\r\n") { // which the decoder would skip
		return nil, fault.New(fault.Invalid, "sasl: response is not base64")
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
	n, err := base64.StdEncoding.Decode(out, line)
	if err != nil {
		return nil, fault.New(fault.Invalid, "sasl: response is not base64")
	}
	return out[:n], nil
}
