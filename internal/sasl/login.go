package sasl

// NewLogin is the mechanism LOGIN, never standardised but spoken by many clients
// (draft-murchison-sasl-login): the server asks for the user, then the password.
// Some clients recognise the prompts by their exact text. A client may send the
// user along with the mechanism's name.
func NewLogin(verify Verify) Server { return &login{verify: verify} }

type login struct {
	verify Verify
	asked  bool
	user   string
}

func (l *login) Next(response []byte) ([]byte, bool, error) {
	if response == nil && !l.asked {
		l.asked = true
		return []byte("Username:"), false, nil
	}
	l.asked = true
	if err := checkField("LOGIN", response, false); err != nil {
		return nil, false, err
	}
	if l.user == "" {
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	err := l.verify("", l.user, string(response))
	return nil, err == nil, err
}
