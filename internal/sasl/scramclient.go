package sasl

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"slices"
	"strconv"
	"strings"

	"posthorn/internal/fault"
)

// The iterations that a client accepts. Fewer would make it easy for whoever plays the
// server to find the password; more would keep it busy for as long as he likes.
const minClientIterations, maxClientIterations = 4096, 1_000_000

// ScramClient is the client's side of SCRAM, for one exchange.
type ScramClient struct {
	Hash                    func() hash.Hash
	User, Password, AuthzID string
	// Binding is the kind of channel binding that the exchange is to have, and BindingData
	// what the connection gives for it; "": none. Unseen says that there could have been
	// one, had the server offered a mechanism with -PLUS.
	Binding     string
	BindingData []byte
	Unseen      bool

	nonce  string
	header string // gs2-header
	bare   string // client-first-message-bare
	expect []byte // the server's signature; nil: not yet
	done   bool
}

// Start gives the initial response.
func (c *ScramClient) Start() []byte {
	nonce := make([]byte, 18)
	rand.Read(nonce) // never fails
	return c.start(base64.StdEncoding.EncodeToString(nonce))
}

func (c *ScramClient) start(nonce string) []byte {
	escape := strings.NewReplacer(",", "=2C", "=", "=3D").Replace
	flag, authzid := "n", ""
	switch {
	case c.Binding != "":
		flag = "p=" + c.Binding
	case c.Unseen:
		flag = "y"
	}
	if c.AuthzID != "" {
		authzid = "a=" + escape(c.AuthzID)
	}
	c.nonce = nonce
	c.header = flag + "," + authzid + ","
	c.bare = "n=" + escape(c.User) + ",r=" + nonce
	return []byte(c.header + c.bare)
}

// Next answers a challenge.
func (c *ScramClient) Next(challenge []byte) ([]byte, error) {
	switch {
	case c.done:
		return nil, fault.New(fault.Unauthenticated, "sasl: SCRAM: the server goes on after the end")
	case c.expect == nil:
		return c.final(challenge)
	}
	said, ok := bytes.CutPrefix(challenge, []byte("v="))
	signature, err := base64.StdEncoding.DecodeString(string(said))
	if !ok || err != nil || !hmac.Equal(signature, c.expect) {
		return nil, fault.New(fault.Unauthenticated, "sasl: SCRAM: the server does not know the password")
	}
	c.done = true
	return []byte{}, nil
}

// Done says that the server has proven to know the password, too. A client must not
// believe in a success without that.
func (c *ScramClient) Done() bool { return c.done }

func (c *ScramClient) final(first []byte) ([]byte, error) {
	fields := strings.Split(string(first), ",")
	if len(fields) < 3 || !strings.HasPrefix(fields[0], "r="+c.nonce) || len(fields[0]) == len("r=")+len(c.nonce) || len(first) > maxScram {
		return nil, fault.New(fault.Unauthenticated, "sasl: SCRAM: the server's answer does not belong to this exchange")
	}
	salt, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(fields[1], "s="))
	if err != nil || !strings.HasPrefix(fields[1], "s=") {
		return nil, fault.New(fault.Invalid, "sasl: SCRAM: the server sends no salt")
	}
	iterations, err := strconv.Atoi(strings.TrimPrefix(fields[2], "i="))
	if err != nil || iterations < minClientIterations || iterations > maxClientIterations {
		return nil, fault.New(fault.Unauthenticated, "sasl: SCRAM: the server wants %.20q iterations; %d to %d are possible", fields[2], minClientIterations, maxClientIterations)
	}
	salted, err := pbkdf2.Key(c.Hash, c.Password, salt, iterations, c.Hash().Size())
	if err != nil {
		return nil, fault.New(fault.Internal, "sasl: SCRAM: %w", err)
	}
	withoutProof := "c=" + base64.StdEncoding.EncodeToString(slices.Concat([]byte(c.header), c.BindingData)) + "," + fields[0]
	said := []byte(c.bare + "," + string(first) + "," + withoutProof)
	s := scram{Scram: Scram{Hash: c.Hash}}
	proof := s.mac(salted, []byte("Client Key"))
	stored := c.Hash()
	stored.Write(proof)
	subtle.XORBytes(proof, proof, s.mac(stored.Sum(nil), said))
	c.expect = s.mac(s.mac(salted, []byte("Server Key")), said)
	return []byte(withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}
