package credential

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"

	"posthorn/internal/fault"
)

// KeyBytes is the size of a Box's key.
const KeyBytes = 32

// Box seals what has to be readable again (SCRAM keys, shared secrets, the secrets of
// one-time codes) with a key that is not kept with it: whoever steals the store alone
// has nothing but slow hashes.
type Box struct {
	id   string
	aead cipher.AEAD
}

// NewBox makes a Box of a key. Kind of error: Invalid.
func NewBox(key []byte) (*Box, error) {
	if len(key) != KeyBytes {
		return nil, fault.New(fault.Invalid, "credential: a key has %d bytes, not %d", KeyBytes, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fault.New(fault.Internal, "credential: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block) // good for 2^32 messages
	if err != nil {
		return nil, fault.New(fault.Internal, "credential: %w", err)
	}
	name := sha256.Sum256(append([]byte("posthorn: the name of a key\x00"), key...))
	return &Box{hex.EncodeToString(name[:6]), aead}, nil
}

// ID names the key without telling it.
func (b *Box) ID() string { return b.id }

// Seal seals text for one purpose: it opens for no other.
func (b *Box) Seal(text []byte, purpose string) []byte {
	return b.aead.Seal(nil, nil, text, []byte(purpose))
}

// Open opens what was sealed. Kind of error: Corrupt, also for another key's.
func (b *Box) Open(sealed []byte, purpose string) ([]byte, error) {
	text, err := b.aead.Open(nil, nil, sealed, []byte(purpose))
	if err != nil {
		return nil, fault.New(fault.Corrupt, "credential: %s: not sealed with key %s, or damaged", purpose, b.id)
	}
	return text, nil
}
