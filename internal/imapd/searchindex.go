package imapd

import (
	"context"

	"posthorn/internal/casemap"
	"posthorn/internal/search"
	"posthorn/internal/store"
)

// Index knows, without opening them, which messages contain a text.
type Index interface {
	Candidates(ctx context.Context, account store.AccountID, q search.Query) (*search.Candidates, error)
}

// asker asks the index about a mailbox; it gives nil if there is none.
type asker func(search.Query) *search.Candidates

// asker asks about messages of the account that a mailbox belongs to.
func (s *session) asker(ctx context.Context, box *mailbox) asker {
	if s.srv.index == nil || s.collation.Name != casemap.Unicode.Name {
		return nil
	}
	return func(q search.Query) *search.Candidates {
		found, err := s.srv.index.Candidates(ctx, box.account.ID(), q)
		if err != nil {
			s.conn.Log().Warn("asking the search index failed", "error", err)
		}
		return found
	}
}

// unasked is how many messages are looked at before the index is asked about all: a
// search that has come down to a few by other keys is done sooner without it.
const unasked = 8

// indexed lets the index answer for a test where it can.
//
// The first time a test sees any message is at fromSnapshot, where no view of the
// store is open, so the index can be asked there and nowhere else.
func (c *compiler) indexed(q search.Query, t test) test {
	if c.ask == nil || q.Needle.Empty() {
		return t
	}
	var known *search.Candidates
	seen := 0
	return func(m *candidate) verdict {
		if m.level == fromSnapshot {
			if seen++; seen == unasked+1 {
				known = c.ask(q)
			}
		}
		if known != nil {
			switch known.Test(m.Content) {
			case search.Yes:
				return yes
			case search.No:
				return nay
			}
		}
		return t(m)
	}
}
