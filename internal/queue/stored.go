package queue

import (
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// stored is a message as its slice has it, with the changes of the commit under way.
type stored struct {
	key key
	*Message
	progress []Progress // one for each recipient
	recorded []bool     // there is a key for it
	dirty    []bool     // it is to be written
	ended    []int      // the recipients that have come to their end in this commit
}

func newStored(k key, m *Message) *stored {
	st := &stored{key: k, Message: m, progress: make([]Progress, len(m.Recipients))}
	flags := make([]bool, 2*len(m.Recipients))
	st.recorded, st.dirty = flags[:len(m.Recipients)], flags[len(m.Recipients):]
	for i := range st.progress {
		st.progress[i] = Progress{Held: m.Hold, Next: m.start()}
	}
	return st
}

// add takes in the record of a recipient's progress.
func (st *stored) add(number int, record []byte) error {
	if number >= len(st.progress) {
		return fault.New(fault.Corrupt, "queue: message %s has no recipient %d", st.ID, number)
	}
	p, err := decodeProgress(record)
	if err != nil {
		return err
	}
	st.progress[number], st.recorded[number] = p, true
	return nil
}

// readMessages calls fn with each message in a range of keys that messagesFrom or
// messageRange made, in the order of their serials, until it returns false. What
// cannot be read is handed to damaged, and concerns that message alone.
func readMessages(r kv.Reader, slice int, rg kv.Range, fn func(*stored) bool, damaged func(key, error)) error {
	var current *stored
	at := noKey // the message that the scan is in
	more := true
	flush := func() {
		if current != nil {
			more = fn(current)
			current = nil
		}
	}
	err := r.Scan(rg, func(k, v []byte) bool {
		switch {
		case len(k) == envelopeKey:
			flush()
			at = makeKey(slice, serialOf(k))
			m, err := decodeMessage(v)
			if err != nil {
				damaged(at, err)
				return more
			}
			current = newStored(at, m)
		case len(k) == progressKey && makeKey(slice, serialOf(k)) != at:
			flush()
			at = makeKey(slice, serialOf(k))
			damaged(at, fault.New(fault.Corrupt, "queue: there is a recipient's progress without an envelope"))
		case len(k) == progressKey && current != nil:
			if err := current.add(numberOf(k), v); err != nil {
				damaged(at, err)
				current = nil
			}
		}
		return more
	})
	if err == nil && more {
		flush()
	}
	return err
}

// readMessage reads one message; nil if it is no longer there. Damage is an error.
func readMessage(r kv.Reader, k key) (*stored, error) {
	var found *stored
	var bad error
	err := readMessages(r, k.slice(), messageRange(k.serial()),
		func(st *stored) bool { found = st; return true },
		func(_ key, err error) { bad = err })
	if err == nil {
		err = bad
	}
	return found, err
}

// finished says that nobody is left to deliver the message to.
func (st *stored) finished() bool {
	for i := range st.progress {
		if st.progress[i].State == Pending {
			return false
		}
	}
	return true
}

// write writes what has changed; a message that is finished goes away.
func (st *stored) write(w kv.Writer) error {
	if st.finished() {
		return st.remove(w)
	}
	for i := range st.progress {
		if !st.dirty[i] {
			continue
		}
		if err := w.Put(keyProgress(st.key.serial(), i), st.progress[i].encode()); err != nil {
			return err
		}
	}
	return nil
}

func (st *stored) remove(w kv.Writer) error {
	serial := st.key.serial()
	gone := [][]byte{keyEnvelope(serial), keyID(st.ID), keyBody(serial)}
	if st.Body.Blob != "" {
		gone[2] = keyLarge(st.Body.Blob, serial)
	}
	for i, recorded := range st.recorded {
		if recorded {
			gone = append(gone, keyProgress(serial, i))
		}
	}
	for _, k := range gone {
		if err := w.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// destination is where a recipient's mail goes.
func (st *stored) destination(i int) string {
	if route := st.progress[i].Route; route != "" {
		return route
	}
	return DomainOf(st.Recipients[i].Address)
}

// due lists the recipients to be tried at a destination now.
func (st *stored) due(destination string, now time.Time) []int {
	var numbers []int
	for i := range st.progress {
		p := &st.progress[i]
		if p.State == Pending && !p.Held && !p.Next.After(now) && st.destination(i) == destination {
			numbers = append(numbers, i)
		}
	}
	return numbers
}
