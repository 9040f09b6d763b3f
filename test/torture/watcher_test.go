package torture

import "time"

// watch looks at an INBOX again and again while mail arrives. What it is shown
// must be there for good.
func (w *world) watch(user string) error {
	c, err := w.dialIMAP(user)
	if err != nil {
		return err
	}
	defer c.close()
	next := uint32(1)
	if highest := w.ledger.highest(place{user, "INBOX", w.ledger.validityOf(user, "INBOX")}); highest > 0 {
		next = highest
	}
	untagged, _, err := c.imap("EXAMINE INBOX")
	if err != nil {
		return err
	}
	p := place{user, "INBOX", selected(untagged).validity}
	for range maxOps {
		untagged, _, err := c.imap("UID FETCH %d:* (FLAGS BODY.PEEK[HEADER.FIELDS (X-Torture)])", next)
		if err != nil {
			return err
		}
		for _, m := range fetched(untagged) {
			w.ledger.uid(p, m.uid, m.token)
			w.ledger.saw(user, m.token)
			next = max(next, m.uid)
		}
		time.Sleep(5 * time.Millisecond) // a client that looks 200 times a second is lively enough
	}
	return nil
}

func (l *ledger) validityOf(user, mailbox string) uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.validity[user+"/"+mailbox]
}
