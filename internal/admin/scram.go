package admin

import "context"

// ScramReport is whether SCRAM is offered to everybody, and what is in the way.
type ScramReport struct {
	Offered     bool      `json:"offered"`
	Directories bool      `json:"directories,omitempty"` // others, which give no keys
	Unsealed    bool      `json:"unsealed,omitempty"`    // the key that opens what is sealed is not there
	Accounts    []Keyless `json:"accounts"`
}

// Keyless is an account with passwords of which there are no keys.
type Keyless struct {
	Address  string   `json:"address"`
	Password bool     `json:"password,omitempty"`
	Apps     []string `json:"app_passwords,omitempty"`
}

func (a *Admin) showScram(ctx context.Context, _ Nothing) (ScramReport, error) {
	s, err := a.o.Directory.ScramReach(ctx)
	report := ScramReport{s.Offered, s.Directories, s.Unsealed, make([]Keyless, len(s.Accounts))}
	for i, k := range s.Accounts {
		report.Accounts[i] = Keyless{k.Address.String(), k.Password, k.Apps}
	}
	return report, err
}
