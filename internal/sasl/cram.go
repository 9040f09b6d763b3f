package sasl

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"time"

	"posthorn/internal/fault"
)

// Challenge makes what CRAM-MD5 sends and what APOP greets with: a message-ID that was
// never said before (RFC 2195 §2, RFC 1939 §7).
func Challenge(hostname string, now time.Time) string {
	random := make([]byte, 12)
	rand.Read(random) // never fails
	return "<" + hex.EncodeToString(random) + "." + strconv.FormatInt(now.Unix(), 10) + "@" + hostname + ">"
}

// Digest is what a client proves with that it knows a secret. Match says whether it
// was this one.
type Digest struct {
	User  string
	Match func(secret []byte) bool
}

// NewCramMD5 is the mechanism CRAM-MD5 (RFC 2195). The server must know the secret.
func NewCramMD5(challenge string, verify func(Digest) error) Server {
	return &cramMD5{challenge: []byte(challenge), verify: verify}
}

type cramMD5 struct {
	challenge []byte
	verify    func(Digest) error
	asked     bool
}

func (c *cramMD5) Next(response []byte) ([]byte, bool, error) {
	if !c.asked {
		c.asked = true
		if response != nil { // RFC 4422 §5 (2a): the server speaks first
			return nil, false, fault.New(fault.Invalid, "sasl: CRAM-MD5: an answer before the challenge")
		}
		return c.challenge, false, nil
	}
	// The digest is last, so the user may have blanks in it.
	space := bytes.LastIndexByte(response, ' ')
	if space < 0 {
		return nil, false, fault.New(fault.Invalid, "sasl: CRAM-MD5: want user, blank and digest")
	}
	if err := checkField("CRAM-MD5", response[:space], false); err != nil {
		return nil, false, err
	}
	said, err := md5Digest(string(response[space+1:]))
	if err != nil {
		return nil, false, err
	}
	err = c.verify(Digest{User: string(response[:space]), Match: func(secret []byte) bool {
		mac := hmac.New(md5.New, secret)
		mac.Write(c.challenge)
		return hmac.Equal(mac.Sum(nil), said)
	}})
	return nil, err == nil, err
}

// APOP is what the client has proven that says APOP with a user and a digest (RFC 1939
// §7), after it was greeted with a challenge.
func APOP(challenge, user, digest string) (Digest, error) {
	if err := checkField("APOP", []byte(user), false); err != nil {
		return Digest{}, err
	}
	said, err := md5Digest(digest)
	if err != nil {
		return Digest{}, err
	}
	return Digest{User: user, Match: func(secret []byte) bool {
		sum := md5.Sum(append([]byte(challenge), secret...))
		return hmac.Equal(sum[:], said)
	}}, nil
}

func md5Digest(text string) ([]byte, error) {
	said, err := hex.DecodeString(text)
	if err != nil || len(said) != md5.Size {
		return nil, fault.New(fault.Invalid, "sasl: the digest is not %d hexadecimal digits", 2*md5.Size)
	}
	return said, nil
}
