package smtptest

import (
	"errors"
	"io"
	"strings"

	"posthorn/internal/credential"
	"posthorn/internal/fault"
	"posthorn/internal/sasl"
)

// Password is that of everybody who comes by SCRAM.
const Password = "pässword"

// scram takes who knows the Password, unless the rules say otherwise.
func (ss *session) scram(args, mechanism, initial string) bool {
	hash := credential.ScramSHA256
	if mechanism == "SCRAM-SHA-1" {
		hash = credential.ScramSHA1
	}
	ended, open := errors.New("a rule has ended the exchange"), true
	err := sasl.Converse(sasl.NewScram(sasl.Scram{
		Hash: hash.New,
		Keys: func(_, _ string) (sasl.ScramKeys, error) {
			key, err := hash.Key(Password, []byte("salt"), credential.ScramIterations)
			return sasl.ScramKeys{Salt: []byte("salt"), Iterations: credential.ScramIterations, Keys: []sasl.ScramKey{{Stored: key.Stored, Server: key.Server}}}, err
		},
		Verify: func(key int) error {
			if key == sasl.NoKey {
				return fault.New(fault.Unauthenticated, "smtptest: wrong password")
			}
			return nil
		},
	}), initial, func(challenge string) ([]byte, error) {
		code, ok := ss.act("response", args, "334 "+challenge)
		if open = ok; !ok || code != 334 {
			return nil, ended
		}
		line, err := ss.r.ReadString('\n')
		if err != nil {
			open = false
			return nil, io.EOF
		}
		ss.server.note(strings.TrimSuffix(line, "\r\n"))
		return []byte(strings.TrimSuffix(line, "\r\n")), nil
	})
	switch {
	case !open || errors.Is(err, ended):
		return open
	case err != nil:
		_, open = ss.act("AUTH", args, "535 5.7.8 No")
	default:
		_, open = ss.act("AUTH", args, "235 2.7.0 Welcome")
	}
	return open
}
