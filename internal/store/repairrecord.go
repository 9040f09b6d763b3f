package store

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/message"
)

// lostRecord is a record that is missing or cannot be read.
type lostRecord struct {
	email   EmailID
	mailbox MailboxID // of a message that has this content
	uid     UID
	own     bool      // it lies in the mailbox: of a message that came before copies shared theirs
	saved   time.Time // as far as the mailbox knows; else zero
	came    time.Time // likewise: INTERNALDATE
}

func (l *lostRecord) key() []byte {
	if l.own {
		return keyRecord(l.mailbox, l.uid)
	}
	return keyContent(l.email)
}

// mendRecords makes records that are missing or damaged anew from the bodies.
func (a *Account) mendRecords(ctx context.Context, report func(Problem)) error {
	var lost []lostRecord
	err := a.view(ctx, func(r kv.Reader) error {
		s := recordSearch{r: r, there: map[MailboxID]ranges{}, seen: map[EmailID]bool{}, known: map[MailboxID]map[UID]Entry{}}
		err := s.run()
		lost = s.lost
		return err
	})
	if err != nil {
		return err
	}
	for i := range lost {
		p, err := a.remakeRecord(ctx, &lost[i])
		switch k := fault.KindOf(err); {
		case err == nil:
			report(p)
		case k == fault.Canceled || k == fault.Unavailable || k == fault.StorageFull:
			return err
		default: // Verify names it.
			a.damaged(lost[i].mailbox, lost[i].uid, err)
		}
	}
	return nil
}

// remakeRecord writes a record as it was written when the message came. A body never
// changes, so it is read before the commit.
func (a *Account) remakeRecord(ctx context.Context, l *lostRecord) (Problem, error) {
	p := Problem{Account: a.id, UID: l.uid, Text: "its record was missing or damaged, it is made anew from its body"}
	parsed, err := a.scan(ctx, l.email)
	if err != nil {
		return p, err
	}
	if l.came.IsZero() {
		l.came = written(parsed)
		p.Text += "; when it came is not known, its own date stands for that"
	}
	if l.saved.IsZero() {
		l.saved = l.came
	}
	tail, complete := describe(parsed)
	err = a.store.engine.Update(ctx, []kv.Shard{a.shard}, func(tx kv.Tx) error {
		w := tx.In(a.shard)
		if box, err := readMailbox(w, l.mailbox); err == nil {
			p.Mailbox = box.Name
		}
		for _, k := range [][]byte{keyBody(l.email), keyEmail(l.email, l.mailbox, l.uid)} {
			if _, still, err := w.Get(k); err != nil || !still {
				return cmp.Or(err, errGone(l.mailbox, l.uid))
			}
		}
		return w.Put(l.key(), encodeRecord(l.email, l.saved, l.came, complete, tail))
	})
	return p, err
}

// scan takes a stored message apart.
func (a *Account) scan(ctx context.Context, email EmailID) (*message.Message, error) {
	var c Content
	err := a.view(ctx, func(r kv.Reader) error {
		b, err := mustGet(r, keyBody(email), "the body")
		if err != nil {
			return err
		}
		data, id, err := decodeBody(b)
		c = Content{account: a, data: bytes.Clone(data), blob: id}
		return err
	})
	if err != nil {
		return nil, err
	}
	body, err := c.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	sc := message.NewScanner()
	if _, err := io.Copy(sc, io.NewSectionReader(body, 0, body.Size())); err != nil {
		return nil, err
	}
	return sc.Finish(), nil
}

// written is when a message says that it was written; 1970 if it does not.
func written(parsed *message.Message) time.Time {
	if t := parsed.Root.Envelope.SentDate; !t.IsZero() {
		return t
	}
	return time.Unix(0, 0).UTC()
}

// recordSearch looks for lost records in one account.
type recordSearch struct {
	r     kv.Reader
	there map[MailboxID]ranges        // the messages of mailboxes that can be read
	seen  map[EmailID]bool            // contents whose loss is known
	known map[MailboxID]map[UID]Entry // see remember
	lost  []lostRecord
}

func (s *recordSearch) run() error {
	err := inBatches(s.r, kv.Prefix([]byte{'M'}), func(k, v []byte) error {
		m, err := decodeMailbox(MailboxID(uidOf(k)), v)
		if err != nil {
			return nil
		}
		snap, err := m.load(s.r, nil)
		if err != nil {
			return nil
		}
		return s.inSnapshot(snap)
	})
	if err == nil {
		err = inBatches(s.r, kv.Prefix([]byte{'E'}), func(k, _ []byte) error {
			p, uid := splitEmailKey(k)
			if s.there[p.mailbox].contains(uid) {
				return nil
			}
			return s.elsewhere(p, uid)
		})
	}
	return err
}

// inSnapshot looks at messages of a mailbox that can be read.
func (s *recordSearch) inSnapshot(snap *Snapshot) error {
	var there ranges
	var unknown []int // of old ones only the references tell the contents then
	for seq := 1; seq <= snap.Len(); seq++ {
		e := snap.At(seq)
		there = append(there, UIDRange{e.UID, e.UID})
		l := lostRecord{email: e.Content, mailbox: snap.id, uid: e.UID, own: e.inMailbox()}
		found, ok, err := s.read(&l)
		if err != nil {
			return err
		}
		if ok && (e.Content == 0 || found == e.Content) || s.seen[e.Content] && !l.own {
			continue
		}
		l.came = time.Unix(e.InternalDate, 0).In(e.zone())
		if !l.own {
			l.saved, s.seen[e.Content] = time.Unix(int64(e.Saved), 0), true
		}
		if s.lost = append(s.lost, l); e.Content == 0 {
			unknown = append(unknown, len(s.lost)-1)
		}
	}
	s.there[snap.id] = there
	return s.name(snap.id, unknown)
}

// name finds the contents of messages by their references; without, they stay lost.
func (s *recordSearch) name(id MailboxID, unknown []int) error {
	if len(unknown) == 0 {
		return nil
	}
	contents := map[UID]EmailID{}
	err := s.r.Scan(kv.Prefix([]byte{'E'}), func(k, _ []byte) bool {
		if p, uid := splitEmailKey(k); p.mailbox == id {
			contents[uid] = p.email
		}
		return true
	})
	for _, i := range unknown {
		s.lost[i].email = contents[s.lost[i].uid]
	}
	return err
}

// elsewhere looks at a message that was deleted and can be brought back, or whose
// mailbox cannot be read.
func (s *recordSearch) elsewhere(p emailPlace, uid UID) error {
	l := lostRecord{email: p.email, mailbox: p.mailbox, uid: uid}
	if s.seen[p.email] {
		return nil
	}
	for _, l.own = range []bool{true, false} {
		if found, ok, err := s.read(&l); err != nil || ok && found == p.email {
			return err
		}
	}
	_, own, err := s.r.Get(keyRecord(p.mailbox, uid))
	if err != nil {
		return err
	}
	l.own, s.seen[p.email] = own, true
	if err := s.remember(p.mailbox); err != nil {
		return err
	}
	if e, ok := s.known[p.mailbox][uid]; ok {
		l.came, l.saved = time.Unix(e.InternalDate, 0).In(e.zone()), time.Unix(int64(e.Saved), 0)
	}
	s.lost = append(s.lost, l)
	return nil
}

// remember gathers what chunks and feed tell of messages, those too that are no longer
// there, as far as they can be read.
func (s *recordSearch) remember(id MailboxID) error {
	if s.known[id] != nil {
		return nil
	}
	known := map[UID]Entry{}
	s.known[id] = known
	err := s.r.Scan(kv.Prefix(mailboxPrefix('F', id)), func(k, v []byte) bool {
		if f, err := decodeFeed(modSeqOf(k), v); err == nil {
			for _, ch := range f.changes {
				for _, e := range ch.added {
					known[e.UID] = e
				}
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	return s.r.Scan(kv.Prefix(mailboxPrefix('K', id)), func(k, v []byte) bool {
		if c, err := decodeChunk(uint32(uidOf(k)), v); err == nil {
			for _, e := range c.entries {
				known[e.UID] = e
			}
		}
		return true
	})
}

// read reports whether a record is there and whole, and of which content it says it is.
func (s *recordSearch) read(l *lostRecord) (EmailID, bool, error) {
	raw, ok, err := s.r.Get(l.key())
	if err != nil || !ok {
		return 0, false, err
	}
	var rec Record
	if rec.decode(raw) != nil {
		return 0, false, nil
	}
	return rec.EmailID, true, nil
}

// zone is that of InternalDate, UTC where only the record has it.
func (e Entry) zone() *time.Location {
	if e.Zone == UnknownZone {
		return time.UTC
	}
	return zone(int(e.Zone))
}
