package admin

import (
	"context"

	"posthorn/internal/store"
)

// IndexRebuilt says how many search indexes are made anew.
type IndexRebuilt struct {
	Accounts int `json:"accounts"`
}

// rebuildIndex drops the search index of an account, or of all that have one. The
// server makes them again in the background.
func (a *Admin) rebuildIndex(ctx context.Context, r Name) (IndexRebuilt, error) {
	if r.Name == "" {
		n, err := a.o.Index.RebuildAll(ctx)
		return IndexRebuilt{n}, err
	}
	account, err := a.account(ctx, r)
	if err != nil {
		return IndexRebuilt{}, err
	}
	return IndexRebuilt{1}, a.o.Index.Rebuild(ctx, store.AccountID(account.ID))
}
