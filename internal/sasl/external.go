package sasl

// NewExternal is the mechanism EXTERNAL (RFC 4422 appendix A): who the client is was
// proven by other means, and verify knows how. authzid, when not empty, is the identity
// that it wants to act as.
func NewExternal(verify func(authzid string) error) Server { return &external{verify: verify} }

type external struct {
	verify func(authzid string) error
	asked  bool
}

func (e *external) Next(response []byte) ([]byte, bool, error) {
	if response == nil && !e.asked {
		e.asked = true
		return []byte{}, false, nil
	}
	if err := checkField("EXTERNAL", response, true); err != nil {
		return nil, false, err
	}
	err := e.verify(string(response))
	return nil, err == nil, err
}
