package sasl

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"slices"
	"strconv"

	"posthorn/internal/fault"
)

// Scram is SCRAM with one hash (RFC 5802, RFC 7677), for one exchange.
type Scram struct {
	Hash func() hash.Hash
	// Plus is the mechanism with -PLUS, in which the client must bind the exchange to the
	// connection; OffersPlus says that the client was offered it.
	Plus, OffersPlus bool
	// Bindings is the connection's data of a kind of channel binding: any of it will do.
	// Empty: the kind cannot be used here.
	Bindings func(kind string) [][]byte
	// Keys finds what is known of a user's passwords. Of somebody who is not there it
	// makes something up, always the same.
	Keys func(authzid, user string) (ScramKeys, error)
	// Verify is told which of the keys the client has proven to have, or NoKey, and says
	// whether that lets it in.
	Verify func(key int) error
}

// NoKey is the index of no key.
const NoKey = -1

// ScramKeys are what a server knows of a user's passwords (RFC 5802 §3).
type ScramKeys struct {
	Salt       []byte
	Iterations int
	Keys       []ScramKey // the password and all that may stand in for it
}

// ScramKey is the part of ScramKeys that belongs to one password.
type ScramKey struct{ Stored, Server []byte }

// maxIterations is more than any client would work through.
const maxIterations = 10_000_000

// NewScram is the server's side of an exchange.
func NewScram(o Scram) Server {
	nonce := make([]byte, 18)
	rand.Read(nonce) // never fails
	return newScram(o, base64.StdEncoding.EncodeToString(nonce))
}

func newScram(o Scram, nonce string) *scram { return &scram{Scram: o, nonce: nonce} }

// scram is an exchange under way: a state is what Next does next.
type scram struct {
	Scram
	nonce string // the server's part; then the whole
	next  func(response []byte) (challenge []byte, done bool, err error)

	header   []byte   // gs2-header
	bindings [][]byte // what may follow it in c=
	keys     ScramKeys
	said     []byte // client-first-message-bare , server-first-message
}

func (s *scram) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case s.next != nil:
		return s.next(response)
	case response == nil: // RFC 5802 §5: the client speaks first
		s.next = s.first
		return []byte{}, false, nil
	}
	return s.first(response)
}

// first takes client-first-message and gives server-first-message.
func (s *scram) first(response []byte) ([]byte, bool, error) {
	m, err := parseScramFirst(response)
	if err != nil {
		return nil, false, err
	}
	if err := s.bind(m); err != nil {
		return nil, false, err
	}
	if s.keys, err = s.Keys(m.authzid, m.user); err != nil {
		return nil, false, err
	}
	if s.keys.Iterations < 1 || s.keys.Iterations > maxIterations || len(s.keys.Salt) == 0 {
		return nil, false, fault.New(fault.Corrupt, "sasl: SCRAM: keys with %d iterations and a salt of %d bytes", s.keys.Iterations, len(s.keys.Salt))
	}
	s.nonce = m.nonce + s.nonce
	challenge := []byte("r=" + s.nonce + ",s=" + base64.StdEncoding.EncodeToString(s.keys.Salt) + ",i=" + strconv.Itoa(s.keys.Iterations))
	s.said = slices.Concat(m.bare, []byte{','}, challenge)
	s.header, s.next = m.header, s.final
	return challenge, false, nil
}

// bind checks what the client says of channel binding (RFC 5802 §6).
func (s *scram) bind(m scramFirst) error {
	switch {
	case m.flag == 'p' && !s.Plus:
		return fault.New(fault.Invalid, "sasl: SCRAM: channel binding is for the mechanism with -PLUS")
	case m.flag != 'p' && s.Plus:
		return fault.New(fault.Invalid, "sasl: SCRAM: no channel binding in the mechanism with -PLUS")
	case m.flag == 'y' && s.OffersPlus:
		// The client can bind, and has not seen that we can.
		return fault.New(fault.Unauthenticated, "sasl: SCRAM: somebody on the way has taken -PLUS from what was offered")
	case m.flag != 'p':
		s.bindings = [][]byte{nil}
		return nil
	}
	if s.Bindings != nil {
		s.bindings = s.Bindings(m.binding)
	}
	if len(s.bindings) == 0 {
		return fault.New(fault.Invalid, "sasl: SCRAM: channel binding %.40q cannot be used on this connection", m.binding)
	}
	return nil
}

// final takes client-final-message and gives server-final-message.
func (s *scram) final(response []byte) ([]byte, bool, error) {
	m, err := parseScramFinal(response)
	if err != nil {
		return nil, false, err
	}
	// RFC 5802 §5.1: the nonce must be the one that the server has sent.
	if m.nonce != s.nonce {
		return nil, false, s.refuse("the nonce is not that of this exchange")
	}
	if !s.bound(m.binding) {
		return nil, false, s.refuse("channel binding: this is not the connection that the client believes it is on")
	}
	said := slices.Concat(s.said, []byte{','}, m.withoutProof)
	key := s.prover(said, m.proof)
	if err := s.Verify(key); err != nil {
		return nil, false, err
	}
	if key == NoKey {
		return nil, false, fault.New(fault.Unauthenticated, "sasl: SCRAM: wrong proof")
	}
	s.next = confirmed
	signature := s.mac(s.keys.Keys[key].Server, said)
	return []byte("v=" + base64.StdEncoding.EncodeToString(signature)), false, nil
}

// refuse ends an exchange that somebody has meddled with. It counts as a wrong proof;
// what it was stays with us.
func (s *scram) refuse(why string) error {
	if err := s.Verify(NoKey); err != nil {
		return fault.New(fault.KindOf(err), "sasl: SCRAM: %s: %w", why, err)
	}
	return fault.New(fault.Unauthenticated, "sasl: SCRAM: %s", why)
}

// bound reports whether c= is what it should be.
func (s *scram) bound(said []byte) bool {
	return slices.ContainsFunc(s.bindings, func(data []byte) bool {
		return hmac.Equal(said, slices.Concat(s.header, data))
	})
}

// prover finds the key that a proof was made with (RFC 5802 §3). All keys are tried
// whatever comes of it, so that time does not tell which it was.
func (s *scram) prover(said, proof []byte) int {
	found := NoKey
	for i, key := range s.keys.Keys {
		if signature := s.mac(key.Stored, said); len(proof) == len(signature) {
			client := make([]byte, len(proof))
			subtle.XORBytes(client, proof, signature)
			h := s.Hash()
			h.Write(client)
			if hmac.Equal(h.Sum(nil), key.Stored) {
				found = i
			}
		}
	}
	return found
}

func (s *scram) mac(key, text []byte) []byte {
	mac := hmac.New(s.Hash, key)
	mac.Write(text)
	return mac.Sum(nil)
}

// confirmed is the end. RFC 4422 §5 (2b): what goes with success is a challenge in
// protocols that cannot send it with success; the client answers with nothing.
func confirmed(response []byte) ([]byte, bool, error) {
	if len(bytes.TrimSpace(response)) > 0 {
		return nil, false, fault.New(fault.Invalid, "sasl: SCRAM: an answer where none was asked for")
	}
	return nil, true, nil
}
