package sasl

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"posthorn/internal/fault"
)

// maxScram is the longest message of SCRAM that is looked at, and maxNonce the longest
// nonce of a client.
const maxScram, maxNonce = 4096, 512

// scramFirst is client-first-message (RFC 5802 §7).
type scramFirst struct {
	header  []byte // gs2-header, as it was said
	flag    byte   // of channel binding: 'n', 'y' or 'p'
	binding string // its kind, if the flag is 'p'
	authzid string

	bare  []byte // the rest, as it was said
	user  string
	nonce string
}

// scramFinal is client-final-message.
type scramFinal struct {
	binding      []byte
	nonce        string
	withoutProof []byte // as it was said
	proof        []byte
}

func badScram(what string) error { return fault.New(fault.Invalid, "sasl: SCRAM: %s", what) }

func parseScramFirst(message []byte) (m scramFirst, err error) {
	if err := checkScram(message); err != nil {
		return m, err
	}
	parts := strings.SplitN(string(message), ",", 3)
	if len(parts) < 3 {
		return m, badScram("no GS2 header")
	}
	switch flag := parts[0]; {
	case flag == "n", flag == "y":
	case strings.HasPrefix(flag, "p=") && isBindingName(flag[2:]):
		m.binding = flag[2:]
	default:
		return m, badScram("no flag of channel binding")
	}
	m.flag = message[0]
	if parts[1] != "" {
		if m.authzid, err = saslName(parts[1], "a="); err != nil {
			return m, err
		}
	}
	m.bare = message[len(message)-len(parts[2]):]
	m.header = message[:len(message)-len(m.bare)]

	fields := strings.Split(parts[2], ",")
	// RFC 5802 §5.1: m= stands for an extension that has to be understood. There is none.
	if strings.HasPrefix(fields[0], "m=") {
		return m, badScram("an extension that nobody knows")
	}
	if len(fields) < 2 {
		return m, badScram("no user or no nonce")
	}
	if m.user, err = saslName(fields[0], "n="); err != nil {
		return m, err
	}
	if m.nonce, err = scramNonce(fields[1], maxNonce); err != nil {
		return m, err
	}
	return m, checkExtensions(fields[2:])
}

func parseScramFinal(message []byte) (m scramFinal, err error) {
	if err := checkScram(message); err != nil {
		return m, err
	}
	end := bytes.LastIndexByte(message, ',')
	if end < 0 || !bytes.HasPrefix(message[end:], []byte(",p=")) {
		return m, badScram("no proof")
	}
	m.withoutProof = message[:end]
	if m.proof, err = base64.StdEncoding.Strict().DecodeString(string(message[end+len(",p="):])); err != nil {
		return m, badScram("the proof is not base64")
	}
	fields := strings.Split(string(m.withoutProof), ",")
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "c=") {
		return m, badScram("no channel binding")
	}
	if m.binding, err = base64.StdEncoding.Strict().DecodeString(fields[0][len("c="):]); err != nil {
		return m, badScram("the channel binding is not base64")
	}
	if m.nonce, err = scramNonce(fields[1], 2*maxNonce); err != nil {
		return m, err
	}
	return m, checkExtensions(fields[2:])
}

// checkScram holds a message to what is common to all.
func checkScram(message []byte) error {
	switch {
	case len(message) > maxScram:
		return badScram("the message is too long")
	case !utf8.Valid(message) || bytes.ContainsAny(message, "\x00\r\n"):
		return badScram("the message is not UTF-8 text")
	}
	return nil
}

// saslName reads a field with a name, in which "," and "=" are written "=2C" and "=3D".
func saslName(field, key string) (string, error) {
	text, ok := strings.CutPrefix(field, key)
	if !ok || text == "" || len(text) > maxField {
		return "", badScram("no name at " + key)
	}
	// RFC 5802 §5.1: any other "=" must fail.
	name := strings.NewReplacer("=2C", ",", "=3D", "=").Replace(text)
	if strings.Count(text, "=") != strings.Count(text, "=2C")+strings.Count(text, "=3D") {
		return "", badScram("the name at " + key + " is not written as it should be")
	}
	return name, nil
}

// scramNonce reads the field of a nonce: printable ASCII.
func scramNonce(field string, most int) (string, error) {
	nonce, ok := strings.CutPrefix(field, "r=")
	if !ok || nonce == "" || len(nonce) > most || strings.ContainsFunc(nonce, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return "", badScram("no nonce")
	}
	return nonce, nil
}

// checkExtensions lets optional extensions pass (RFC 5802 §5.1), if they look like some.
func checkExtensions(fields []string) error {
	for _, f := range fields {
		if len(f) < 3 || f[1] != '=' || !isLetter(f[0]) || f[0] == 'm' {
			return badScram("what follows is no extension")
		}
	}
	return nil
}

// isBindingName is cb-name of RFC 5802 §7.
func isBindingName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '.' && r != '-' && (r < '0' || r > '9') && (r > 0x7f || !isLetter(byte(r)))
	})
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
