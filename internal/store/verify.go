package store

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/record"
)

// Problem is a broken invariant, in words.
type Problem struct {
	Account AccountID
	Mailbox string // name; empty: the account itself
	UID     UID    // 0: the mailbox itself
	Text    string // what is wrong
}

func (p Problem) String() string {
	s := fmt.Sprintf("account %d", p.Account)
	if p.Mailbox != "" {
		s += fmt.Sprintf(", mailbox %q", p.Mailbox)
	}
	if p.UID != 0 {
		s += fmt.Sprintf(", message %d", p.UID)
	}
	return s + ": " + p.Text
}

// Verified counts what Verify has looked at.
type Verified struct{ Accounts, Mailboxes, Messages, Problems int }

// Verify proves every invariant of every account, on a live or a stopped store, and
// reports each that does not hold. Each account is read in one consistent view. The
// error is of reading the store at all.
func (s *Store) Verify(ctx context.Context, report func(Problem)) (Verified, error) {
	var sum Verified
	var failed error
	err := s.eachAccount(ctx, func(a *Account) {
		v := verifier{ctx: ctx, account: a, sum: &sum, report: report}
		sum.Accounts++
		if err := a.view(ctx, v.run); err != nil {
			if k := fault.KindOf(err); k == fault.Canceled || k == fault.Unavailable {
				failed = err
				return
			}
			v.problem("", 0, "%v", err)
		}
	})
	if failed != nil {
		return sum, failed
	}
	return sum, err
}

// verifier checks one account within one View.
type verifier struct {
	ctx     context.Context
	account *Account
	sum     *Verified
	report  func(Problem)

	r     kv.Reader
	head  head
	notes map[MailboxID]ranges // what is expunged and still there
	there map[MailboxID]ranges // the messages of mailboxes
	used  Resources            // by what is there
}

func (v *verifier) problem(mailbox string, uid UID, format string, args ...any) {
	v.sum.Problems++
	v.report(Problem{v.account.id, mailbox, uid, fmt.Sprintf(format, args...)})
}

func (v *verifier) run(r kv.Reader) (err error) {
	v.r = r
	if v.head, err = readHead(r); err != nil {
		return err
	}
	v.there = map[MailboxID]ranges{}
	if v.notes, err = readNotes(r); err != nil {
		return err
	}
	names, err := v.checkNames()
	if err != nil {
		return err
	}
	err = inBatches(r, kv.Prefix([]byte{'M'}), func(k, b []byte) error {
		m, err := decodeMailbox(MailboxID(uidOf(k)), b)
		if err != nil {
			v.problem("", 0, "mailbox %d: %v", uidOf(k), err)
			return nil
		}
		if names[m.ID] != m.Name {
			v.problem(m.Name, 0, "the index of names has %q for it", names[m.ID])
		}
		return v.checkMailbox(m)
	})
	if err != nil {
		return err
	}
	if err := v.countMetadata(names); err != nil {
		return err
	}
	if err := v.checkACLs(names); err != nil {
		return err
	}
	v.checkTreeFeed()
	if v.used != v.head.used {
		v.problem("", 0, "the quota counts %+v, the account has %+v", v.head.used, v.used)
	}
	return v.checkLeftovers(names)
}

// readNotes reads which messages have left their mailboxes and can be brought back.
func readNotes(r kv.Reader) (map[MailboxID]ranges, error) {
	all := map[MailboxID]ranges{}
	err := scan(r, kv.Prefix([]byte{'X'}), func(k, b []byte) error {
		notes, err := decodeNotes(b)
		for _, n := range notes {
			id := noteMailbox(k)
			all[id] = append(all[id], n.ranges()...)
		}
		return err
	})
	for id, noted := range all {
		all[id] = normalize(noted)
	}
	return all, err
}

// checkNames reads the index of names.
func (v *verifier) checkNames() (map[MailboxID]string, error) {
	names := map[MailboxID]string{}
	err := inBatches(v.r, kv.Prefix([]byte{'N'}), func(k, b []byte) error {
		d := record.NewDecoder(b)
		id, name := MailboxID(d.Uint()), string(k[1:])
		if _, ok, err := v.r.Get(keyMailbox(id)); err != nil {
			return err
		} else if !ok {
			v.problem(name, 0, "it has a name but no record")
		}
		if other, twice := names[id]; twice {
			v.problem(name, 0, "it is called %q as well", other)
		}
		names[id] = name
		return nil
	})
	if names[InboxID] != Inbox {
		v.problem(Inbox, 0, "it is missing")
	}
	return names, err
}

func (v *verifier) checkMailbox(m *mailbox) error {
	v.sum.Mailboxes++
	snap, err := m.load(v.r, nil)
	if err != nil {
		v.problem(m.Name, 0, "its messages cannot be read: %v", err)
		return nil
	}
	v.checkCounters(m, snap)
	v.checkFeed(m)
	if have := v.account.store.cache.get(snapshotKey{v.account.id, m.ID}); have != nil && have.modSeq == snap.modSeq {
		v.checkCache(m, have, snap)
	}
	return v.checkRecords(m, snap)
}

// checkCounters compares the mailbox's record with its messages.
func (v *verifier) checkCounters(m *mailbox, snap *Snapshot) {
	var c mailbox
	var last Entry
	snap.Each(1, snap.Len(), func(seq int, e Entry) bool {
		c.count(e, 1)
		switch {
		case e.UID <= last.UID:
			v.problem(m.Name, e.UID, "its UID does not follow %d", last.UID)
		case e.UID >= m.UIDNext:
			v.problem(m.Name, e.UID, "its UID is not below UIDNEXT, %d", m.UIDNext)
		case e.ModSeq > m.HighestModSeq || e.ModSeq == 0:
			v.problem(m.Name, e.UID, "its MODSEQ is %d, HIGHESTMODSEQ is %d", e.ModSeq, m.HighestModSeq)
		}
		if n := uint64(e.Flags) >> firstKeyword >> len(m.keywords); n != 0 {
			v.problem(m.Name, e.UID, "it has keywords that the mailbox does not know")
		}
		last = e
		return true
	})
	v.used.add(Resources{Bytes: c.Size, Messages: int64(c.Messages), Mailboxes: 1})
	for _, n := range []struct {
		what       string
		have, want int64
	}{
		{"messages", int64(m.Messages), int64(c.Messages)},
		{"unseen messages", int64(m.Unseen), int64(c.Unseen)},
		{"messages marked \\Deleted", int64(m.Deleted), int64(c.Deleted)},
		{"bytes", m.Size, c.Size},
	} {
		if n.have != n.want {
			v.problem(m.Name, 0, "its record counts %d %s, it has %d", n.have, n.what, n.want)
		}
	}
	if m.HighestModSeq > v.head.modSeq || m.UIDValidity > v.head.uidValidity || m.ID > v.head.lastMailbox {
		v.problem(m.Name, 0, "the account's counters are behind it")
	}
}

// countMetadata: entries belong to a mailbox that exists, or to none.
func (v *verifier) countMetadata(names map[MailboxID]string) error {
	return scan(v.r, kv.Prefix([]byte{'D'}), func(k, value []byte) error {
		id, _ := metadataPlace(k)
		if _, ok := names[id]; !ok && id != ServerMetadata {
			v.problem("", 0, "there is metadata of mailbox %d, which is gone", id)
		}
		v.used.Annotations += annotationSize(string(k[metadataPrefixLength:]), value, true)
		return nil
	})
}

// checkACLs: access control lists can be read, and are of mailboxes that exist.
func (v *verifier) checkACLs(names map[MailboxID]string) error {
	return scan(v.r, kv.Prefix([]byte{'G'}), func(k, value []byte) error {
		id := MailboxID(uidOf(k))
		if _, ok := names[id]; !ok {
			v.problem("", 0, "there is an access control list of mailbox %d, which is gone", id)
		}
		if _, err := decodeACL(value); err != nil {
			v.problem(names[id], 0, "%v", err)
		}
		return nil
	})
}

// checkFeed: the feed ascends, ends at HIGHESTMODSEQ and has no gap before the checkpoint.
func (v *verifier) checkFeed(m *mailbox) {
	feed, err := readFeed(v.r, m.ID, m.feedFloor)
	if err != nil {
		v.problem(m.Name, 0, "its feed cannot be read: %v", err)
		return
	}
	last := m.feedFloor
	for _, f := range feed {
		last = f.modSeq
	}
	if last != m.HighestModSeq {
		v.problem(m.Name, 0, "its feed ends at MODSEQ %d, HIGHESTMODSEQ is %d", last, m.HighestModSeq)
	}
	if m.checkpoint > m.HighestModSeq || m.feedFloor > m.checkpoint {
		v.problem(m.Name, 0, "its checkpoint is of MODSEQ %d, its feed begins after %d, HIGHESTMODSEQ is %d", m.checkpoint, m.feedFloor, m.HighestModSeq)
	}
}

// checkTreeFeed: the feed of mailboxes can be read, begins behind what was cut off and
// does not run ahead.
func (v *verifier) checkTreeFeed() {
	floor, err := treeFloor(v.r)
	feed, failed := readFeed(v.r, treeFeed, 0)
	if err := cmp.Or(err, failed); err != nil {
		v.problem("", 0, "the feed of mailboxes cannot be read: %v", err)
		return
	}
	for _, f := range feed {
		if f.modSeq <= floor || f.modSeq > v.head.modSeq {
			v.problem("", 0, "the feed of mailboxes has MODSEQ %d, it begins after %d and the account is at %d", f.modSeq, floor, v.head.modSeq)
		}
	}
}

// checkCache: what sessions are told is what is stored.
func (v *verifier) checkCache(m *mailbox, have, want *Snapshot) {
	same := have.Len() == want.Len() && have.uidNext == want.uidNext
	for i := 0; same && i < len(want.chunks); i++ {
		same = slices.EqualFunc(have.chunks[i].entries, want.chunks[i].entries, sameEntry)
	}
	if !same {
		v.problem(m.Name, 0, "its snapshot in memory differs from the stored one")
	}
}

// sameEntry compares what two snapshots have of a message. The one in memory may be from
// before Maintain found its content out.
func sameEntry(have, want Entry) bool {
	if have.Content == 0 {
		have.Content, have.Zone = want.Content, want.Zone
	}
	return have == want
}

// checkRecords: every message has its record and its body; every other record in the
// mailbox is of a message whose removal is noted.
func (v *verifier) checkRecords(m *mailbox, snap *Snapshot) error {
	var there ranges
	snap.Each(1, snap.Len(), func(_ int, e Entry) bool {
		if last := len(there) - 1; last >= 0 && there[last].Last+1 == e.UID {
			there[last].Last = e.UID
		} else {
			there = append(there, UIDRange{e.UID, e.UID})
		}
		return true
	})
	v.there[m.ID] = there
	for seq := 1; seq <= snap.Len(); seq++ {
		e := snap.At(seq)
		k := keyContent(e.Content)
		if e.inMailbox() {
			k = keyRecord(m.ID, e.UID)
		}
		b, ok, err := v.r.Get(k)
		switch {
		case err != nil:
			return err
		case !ok:
			v.problem(m.Name, e.UID, "its record is missing")
			continue
		}
		v.sum.Messages++
		if err := v.checkMessage(m, e, b); err != nil {
			return err
		}
	}
	err := scan(v.r, kv.Prefix(mailboxPrefix('R', m.ID)), func(k, _ []byte) error {
		uid := uidOf(k)
		if seq, ok := snap.Seq(uid); (!ok || !snap.At(seq).inMailbox()) && !v.notes[m.ID].contains(uid) {
			v.problem(m.Name, uid, "it is not in the mailbox, but its record is, and nothing will remove it")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return v.checkPOP3(m)
}

// checkPOP3: notes can be read, and are of messages that are there or can be brought back.
func (v *verifier) checkPOP3(m *mailbox) error {
	return scan(v.r, kv.Prefix(mailboxPrefix('P', m.ID)), func(k, b []byte) error {
		uid := uidOf(k)
		if _, err := decodePOP3Note(uid, b); err != nil {
			v.problem(m.Name, uid, "%v", err)
		}
		if !v.there[m.ID].contains(uid) && !v.notes[m.ID].contains(uid) {
			v.problem(m.Name, uid, "something is noted of it for POP3, but it is not there, and nothing will remove it")
		}
		return nil
	})
}

func (v *verifier) checkMessage(m *mailbox, e Entry, record []byte) error {
	var rec Record
	if err := rec.of(&e, record); err != nil {
		v.problem(m.Name, e.UID, "%v", err)
		return nil
	}
	if rec.Size != int64(e.Size) || rec.InternalDate.Unix() != e.InternalDate {
		v.problem(m.Name, e.UID, "its record has %d bytes of %v, the mailbox %d of %v", rec.Size, rec.InternalDate.Unix(), e.Size, e.InternalDate)
	}
	want := e
	want.identify(rec.EmailID, rec.InternalDate)
	if e.Content != 0 && e.Content != want.Content || e.Zone != UnknownZone && e.Zone != want.Zone {
		v.problem(m.Name, e.UID, "the mailbox has content %d and zone %d for it, its record content %d and zone %d", e.Content, e.Zone, rec.EmailID, want.Zone)
	}
	if _, ok, err := v.r.Get(keyEmail(rec.EmailID, m.ID, e.UID)); err != nil {
		return err
	} else if !ok {
		v.problem(m.Name, e.UID, "its content does not know of it, and could be removed")
	}
	if err := v.checkBody(rec.EmailID, rec.Size); err != nil {
		if fault.Is(err, fault.Canceled) {
			return err
		}
		v.problem(m.Name, e.UID, "its body: %v", err)
	}
	return nil
}

// checkBody reads a body to its end.
func (v *verifier) checkBody(email EmailID, size int64) error {
	if email > v.head.lastEmail {
		return fault.New(fault.Corrupt, "content %d was never given out", email)
	}
	b, err := mustGet(v.r, keyBody(email), "the body")
	if err != nil {
		return err
	}
	data, id, err := decodeBody(b)
	if err != nil {
		return err
	}
	n := int64(len(data))
	if id != "" {
		if _, ok, err := v.r.Get(keyLarge(string(id))); err != nil || !ok {
			return fault.New(fault.Corrupt, "blob %s is not held by the account (%v)", id, err)
		}
		body, err := v.account.store.blobs.Open(v.ctx, id)
		if err != nil {
			return err
		}
		defer body.Close()
		if n, err = io.Copy(io.Discard, io.NewSectionReader(body, 0, body.Size())); err != nil {
			return err
		}
	}
	if n != size {
		return fault.New(fault.Corrupt, "it has %d bytes, its record says %d", n, size)
	}
	return nil
}

// checkLeftovers: every reference to a content is of a message that is there, or whose
// removal is noted; there is no record or body without a reference.
func (v *verifier) checkLeftovers(names map[MailboxID]string) error {
	err := scan(v.r, kv.Prefix([]byte{'E'}), func(k, _ []byte) error {
		id, uid := splitEmailKey(k)
		if !v.there[id.mailbox].contains(uid) && !v.notes[id.mailbox].contains(uid) {
			v.problem(names[id.mailbox], uid, "content %d refers to it, message %d of mailbox %d; it is not there, and nothing will remove it", id.email, uid, id.mailbox)
		}
		return nil
	})
	for _, kind := range []struct {
		prefix byte
		name   string
	}{{'B', "body"}, {'C', "record"}} {
		if err != nil {
			return err
		}
		err = v.checkReferred(kind.prefix, kind.name)
	}
	return err
}

// checkReferred: contents of which there is something of this kind are referred to.
func (v *verifier) checkReferred(kind byte, name string) error {
	return inBatches(v.r, kv.Prefix([]byte{kind}), func(k, _ []byte) error {
		id := EmailID(modSeqOf(k))
		used := false
		rg := kv.Prefix(emailPrefix(id))
		rg.Limit = 1
		if err := v.r.Scan(rg, func(_, _ []byte) bool { used = true; return false }); err != nil {
			return err
		}
		if !used {
			v.problem("", 0, "the %s of content %d belongs to no message", name, id)
		}
		return nil
	})
}

type emailPlace struct {
	email   EmailID
	mailbox MailboxID
}

// splitEmailKey reads a key made by keyEmail.
func splitEmailKey(k []byte) (emailPlace, UID) {
	return emailPlace{EmailID(modSeqOf(k[:9])), MailboxID(uidOf(k[:13]))}, uidOf(k)
}
