package imapd

import (
	"strconv"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// limits bound what one command works on, if an operator says so (RFC 9738): the
// messages with the highest UIDs are taken, and the reply tells where that ended. What
// is done as a whole or not at all (COPY, APPEND, SORT, THREAD) is refused instead.
// EXPUNGE and CLOSE have no limit.
type limits struct {
	messages int // 0: any number
	saves    int // of COPY and APPEND alone; 0: any number
}

// limit is how many messages a command of this client works on; 0: any number.
func (s *session) limit() int {
	if s.lacks("MESSAGELIMIT") {
		return 0
	}
	return s.srv.limits.messages
}

// saveLimit is how many messages a COPY or APPEND stores; 0: any number.
func (s *session) saveLimit() int {
	if n := s.limit(); n > 0 || s.lacks("SAVELIMIT") {
		return n
	}
	return s.srv.limits.saves
}

func (s *session) isLimited() bool    { return s.limit() > 0 }
func (s *session) savesLimited() bool { return !s.isLimited() && s.saveLimit() > 0 }

// limitValue and saveLimitValue are what CAPABILITY tells.
func (s *session) limitValue() string     { return "=" + strconv.Itoa(s.limit()) }
func (s *session) saveLimitValue() string { return "=" + strconv.Itoa(s.saveLimit()) }

func errLimit(limit int, words string) error {
	return no("MESSAGELIMIT "+strconv.Itoa(limit), words)
}

// limited leaves of messages those with the highest UIDs, as many as one command works on.
func (s *session) limited(c *command, uids []store.UIDRange) []store.UIDRange {
	limit := s.limit()
	if limit == 0 || s.box.view.count(uids) <= limit {
		return uids
	}
	uids = s.box.view.highest(uids, limit)
	c.stop = uids[0].First
	return uids
}

// highest gives the n messages with the highest UIDs.
func (v *view) highest(uids []store.UIDRange, n int) []store.UIDRange {
	return v.partial(uids, &imapwire.PartialRange{First: -1, Last: -int64(n)})
}

// limitedPartial refuses a window that is larger than what may be looked at through it.
func (s *session) limitedPartial(r *imapwire.PartialRange) error {
	size := r.Last - r.First + 1
	if r.First < 0 {
		size = r.First - r.Last + 1
	}
	if limit := s.limit(); limit > 0 && size > int64(limit) {
		return errLimit(limit, "That PARTIAL is of too many messages, ask for fewer")
	}
	return nil
}

// limitedDeleted is limited for UID EXPUNGE, where only what is \Deleted counts.
func (s *session) limitedDeleted(c *command, uids []store.UIDRange) []store.UIDRange {
	if s.limit() == 0 {
		return uids
	}
	deleted := s.box.view.FlagNamed(imapwire.Deleted)
	var some collector
	s.box.view.EachUID(uids, func(seq int, e store.Entry) bool {
		if e.Flags&deleted != 0 {
			some.add(seq, e.UID)
		}
		return true
	})
	return s.limited(c, some.uids)
}

// mayTransfer bounds a COPY, which is done whole or not at all, and a MOVE, which is not.
func (s *session) mayTransfer(c *command, uids []store.UIDRange) ([]store.UIDRange, error) {
	if c.spec.expunges {
		return s.limited(c, uids), nil
	}
	if s.savesTooMany(s.box.view.count(uids)) {
		return nil, s.errTooManySaved()
	}
	return uids, nil
}

func (s *session) savesTooMany(n int) bool { return s.saveLimit() > 0 && n > s.saveLimit() }

func (s *session) errTooManySaved() error {
	return errLimit(s.saveLimit(), "That is too many messages at once, nothing was stored")
}

// limitSearch bounds the messages that a search looks at: of those that its sets name,
// whether they match or not.
func (s *session) limitSearch(c *command, m *mailbox, q *query) error {
	limit, within := s.limit(), q.within
	if within == nil {
		within = store.AllUIDs
	}
	c.looked += m.view.count(within)
	if limit == 0 || c.looked <= limit {
		return nil
	}
	switch c.name {
	case "SEARCH", "UID SEARCH":
		q.within, q.unseen = m.view.highest(within, limit), false
		c.stop = q.within[0].First
		return nil
	}
	return errLimit(limit, "That is too many messages at once, name fewer with UIDAFTER and UIDBEFORE")
}

// tellLimit tells where a command has ended (RFC 9738 §3.1), before its reply if that
// has another code.
func (s *session) tellLimit(c *command, ok bool) {
	if c.stop == 0 {
		return
	}
	code := "MESSAGELIMIT " + strconv.Itoa(s.limit()) + " " + strconv.FormatUint(uint64(c.stop), 10)
	if ok && c.code == "" {
		c.code = code
		return
	}
	s.line("* NO [", code, "] Messages with lower UIDs were left out")
}
