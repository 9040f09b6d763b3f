package admin

import (
	"context"

	"posthorn/internal/store"
)

// maxProblems is how many problems are told; with so many, the next step is not to
// read them one by one.
const maxProblems = 10_000

// verify proves the invariants of the directory, of the store and of the search index.
func (a *Admin) verify(ctx context.Context, _ Nothing) (Verified, error) {
	result := Verified{Problems: []string{}}
	report := func(problem string) {
		if len(result.Problems) < maxProblems {
			result.Problems = append(result.Problems, problem)
		}
	}
	if err := a.o.Directory.Verify(ctx, func(problem string) { report("directory: " + problem) }); err != nil {
		return result, err
	}
	sum, err := a.o.Store.Verify(ctx, func(p store.Problem) { report(p.String()) })
	result.Accounts, result.Mailboxes, result.Messages = sum.Accounts, sum.Mailboxes, sum.Messages
	if err != nil {
		return result, err
	}
	return result, a.o.Index.Verify(ctx, report)
}
