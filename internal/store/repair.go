package store

import (
	"context"
	"errors"
	"fmt"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/record"
)

// Repair puts right, account by account, what can be told from things that are more to be
// trusted: counters and quota from the messages that are there, the index of names from
// the mailboxes, what belongs to no mailbox; records of messages from their bodies;
// mailboxes from what is left of them and the references to contents (see rebuild). It
// reports what it has mended. It deletes no message and touches no body, nor what a newer
// program may have written: what is wrong with those, Verify still names.
func (s *Store) Repair(ctx context.Context, report func(Problem)) error {
	var failed []error
	err := s.eachAccount(ctx, func(a *Account) {
		var m mender
		err := a.mendRecords(ctx, report)
		if err == nil {
			err = a.mend(ctx, &m)
		}
		switch k := fault.KindOf(err); {
		case err == nil:
			for _, p := range m.mended {
				report(p)
			}
		case k == fault.Canceled || k == fault.Unavailable || k == fault.StorageFull:
			failed = append(failed, err)
		default:
			s.log.Error("an account cannot be repaired", "account", a.id, "error", err)
		}
	})
	return errors.Join(append(failed, err)...)
}

// mend repairs what is one commit.
func (a *Account) mend(ctx context.Context, m *mender) error {
	return a.store.engine.Update(ctx, []kv.Shard{a.shard}, func(tx kv.Tx) error {
		*m = mender{account: a, w: tx.In(a.shard), names: map[MailboxID]string{}}
		return m.run()
	})
}

// mender repairs one account in one commit.
type mender struct {
	account *Account
	w       kv.Writer

	head    head
	names   map[MailboxID]string     // of the mailboxes whose records can be read
	notes   map[MailboxID]ranges     // what was deleted; nil if that cannot be read
	members map[MailboxID][]departed // the messages of mailboxes, by the references
	used    Resources
	unread  bool // there is a mailbox that cannot be read: the use is not known
	mended  []Problem
	changed bool // of the head
}

func (m *mender) tell(mailbox, format string, args ...any) {
	m.mended = append(m.mended, Problem{Account: m.account.id, Mailbox: mailbox, Text: fmt.Sprintf(format, args...)})
}

func (m *mender) run() (err error) {
	if m.head, err = readHead(m.w); err != nil {
		return err
	}
	if err = m.findMembers(); fault.Is(err, fault.Corrupt) {
		m.notes, m.members = nil, nil
	} else if err != nil {
		return err
	}
	err = inBatches(m.w, kv.Prefix([]byte{'M'}), func(k, v []byte) error {
		return m.mendMailbox(MailboxID(uidOf(k)), v)
	})
	for _, mend := range []func() error{m.mendMissing, m.dropNames, m.addNames, m.mendMetadata, m.dropACLs, m.mendHead} {
		if err == nil {
			err = mend()
		}
	}
	return err
}

// mendMailbox counts the messages of a mailbox.
func (m *mender) mendMailbox(id MailboxID, v []byte) error {
	box, err := decodeMailbox(id, v)
	if err != nil && m.notes != nil && !ofNewer(v, mailboxVersion) {
		box, err = m.remakeMailbox(id)
	}
	var snap *Snapshot
	if err == nil {
		m.names[id] = box.Name
		snap, err = m.load(box)
	}
	if fault.Is(err, fault.Corrupt) {
		m.unread = true
		return nil
	}
	if err != nil {
		return err
	}
	counted := mailbox{Mailbox: Mailbox{Status: Status{UIDNext: box.UIDNext, HighestModSeq: box.HighestModSeq, Recent: box.Recent}}}
	snap.Each(1, snap.Len(), func(_ int, e Entry) bool {
		counted.count(e, 1)
		counted.UIDNext = max(counted.UIDNext, e.UID+1)
		return true
	})
	if err := m.addReferences(box, snap); err != nil {
		return err
	}
	counted.Recent = min(box.Recent, counted.Messages)
	m.used.add(Resources{Bytes: counted.Size, Messages: int64(counted.Messages), Mailboxes: 1})
	m.raise(&m.head, box)
	if counted.Status == box.Status {
		return nil
	}
	m.tell(box.Name, "its counters were %+v, they are %+v now", box.Status, counted.Status)
	box.Status = counted.Status
	m.account.store.cache.drop(snapshotKey{m.account.id, id})
	return m.w.Put(keyMailbox(id), box.encode())
}

// addReferences tells contents of the messages that have them: without, they could be removed.
func (m *mender) addReferences(box *mailbox, snap *Snapshot) error {
	if m.notes == nil {
		return nil
	}
	next, members := 0, m.members[box.ID]
	var missing []Entry
	snap.Each(1, snap.Len(), func(_ int, e Entry) bool {
		for next < len(members) && members[next].uid < e.UID {
			next++
		}
		if e.Content != 0 && (next == len(members) || members[next] != departed{e.UID, e.Content}) {
			missing = append(missing, e)
		}
		return true
	})
	for _, e := range missing {
		k := keyEmail(e.Content, box.ID, e.UID)
		_, known, err := m.w.Get(k) // it may be noted that it was deleted
		if err == nil && !known {
			m.tell(box.Name, "content %d did not know of message %d", e.Content, e.UID)
			err = m.w.Put(k, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// raise brings the account's counters up to those of a mailbox.
func (m *mender) raise(h *head, box *mailbox) {
	before := *h
	h.modSeq = max(h.modSeq, box.HighestModSeq)
	h.uidValidity = max(h.uidValidity, box.UIDValidity)
	h.lastMailbox = max(h.lastMailbox, box.ID)
	if *h != before {
		m.changed = true
		m.tell(box.Name, "the account's counters were behind it")
	}
}

// dropNames removes names that lead nowhere, or to a mailbox of another name.
func (m *mender) dropNames() error {
	return inBatches(m.w, kv.Prefix([]byte{'N'}), func(k, v []byte) error {
		d := record.NewDecoder(v)
		id, name := MailboxID(d.Uint()), string(k[1:])
		_, exists, err := m.w.Get(keyMailbox(id))
		switch is, readable := m.names[id]; {
		case err != nil || exists && (!readable || is == name):
			return err
		case exists:
			m.tell(name, "the index of names had it for mailbox %q", is)
		default:
			m.tell(name, "it had a name but no record")
		}
		return m.w.Delete(k)
	})
}

// addNames gives mailboxes their names back that nobody else has.
func (m *mender) addNames() error {
	for id, name := range m.names {
		_, taken, err := m.w.Get(keyName(name))
		if err != nil || taken {
			if err != nil {
				return err
			}
			continue
		}
		var c record.Encoder
		c.Uint(uint64(id))
		if err := m.w.Put(keyName(name), c.Record()); err != nil {
			return err
		}
		m.tell(name, "the index of names did not have it")
	}
	return nil
}

// exists reports whether there is a mailbox, be its record readable or not.
func (m *mender) exists(id MailboxID) (bool, error) {
	_, ok, err := m.w.Get(keyMailbox(id))
	return ok || id == ServerMetadata, err
}

// mendMetadata counts metadata, and removes that of mailboxes that are gone.
func (m *mender) mendMetadata() error {
	return inBatches(m.w, kv.Prefix([]byte{'D'}), func(k, v []byte) error {
		id, _ := metadataPlace(k)
		ok, err := m.exists(id)
		if err != nil {
			return err
		}
		name := string(k[metadataPrefixLength:])
		if ok {
			m.used.Annotations += annotationSize(name, v, true)
			return nil
		}
		m.tell("", "the entry %s was metadata of mailbox %d, which is gone", name, id)
		return m.w.Delete(k)
	})
}

// dropACLs removes access control lists of mailboxes that are gone.
func (m *mender) dropACLs() error {
	return inBatches(m.w, kv.Prefix([]byte{'G'}), func(k, _ []byte) error {
		ok, err := m.exists(MailboxID(uidOf(k)))
		if err != nil || ok {
			return err
		}
		m.tell("", "there was an access control list of mailbox %d, which is gone", uidOf(k))
		return m.w.Delete(k)
	})
}

// mendHead writes the account's use. Where a mailbox cannot be read it is not known.
func (m *mender) mendHead() error {
	if !m.unread && m.used != m.head.used {
		m.tell("", "the quota counted %+v, the account has %+v", m.head.used, m.used)
		m.head.used, m.changed = m.used, true
	}
	if !m.changed {
		return nil
	}
	return m.w.Put(keyHead, m.head.encode())
}
