package admin

import (
	"context"

	"posthorn/internal/store"
)

// Repaired says what was mended, and what Verify found after that.
type Repaired struct {
	Mended []string `json:"mended"`
	Verified
}

// repair mends what can be derived in the mail store, and verifies everything.
func (a *Admin) repair(ctx context.Context, _ Nothing) (Repaired, error) {
	result := Repaired{Mended: []string{}}
	err := a.o.Store.Repair(ctx, func(p store.Problem) {
		if len(result.Mended) < maxProblems {
			result.Mended = append(result.Mended, p.String())
		}
	})
	if err == nil {
		result.Verified, err = a.verify(ctx, Nothing{})
	}
	return result, err
}
