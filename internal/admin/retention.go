package admin

import (
	"context"

	"posthorn/internal/addr"
)

// Retention says after how many days messages are deleted.
type Retention struct {
	Address string `json:"address"`
	// Days are by mailbox; none: nothing is deleted. In a request nil is: as it is.
	Days map[string]int `json:"days"`
}

// setRetention changes what is given, and tells what is set.
func (a *Admin) setRetention(ctx context.Context, r Retention) (Retention, error) {
	address, err := addr.Parse(r.Address)
	if err == nil && r.Days != nil {
		err = a.o.Directory.SetRetention(ctx, address, r.Days)
	}
	if err != nil {
		return Retention{}, err
	}
	account, err := a.o.Directory.Account(ctx, address)
	return Retention{account.Address.String(), account.Retention}, err
}
