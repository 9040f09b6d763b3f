package queue

import (
	"encoding/binary"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Put adds a message in somebody's commit: w writes to ShardOf(m.ID). From the
// moment of that commit on it will be delivered or come back; a Queue that runs is
// woken by the engine. The error is fault.Invalid or the engine's.
func Put(w kv.Writer, m *Message) error {
	if err := m.check(); err != nil {
		return err
	}
	serial, err := nextSerial(w)
	if err != nil {
		return err
	}
	return putAs(w, serial, m)
}

// putAs writes what makes up a message.
func putAs(w kv.Writer, serial uint64, m *Message) error {
	stored := *m
	if m.Body.Data != nil {
		data := m.Body.Data[m.Body.Skip:]
		stored.Body = Body{Size: int64(len(data))}
		if err := w.Put(keyBody(serial), sealBody(data)); err != nil {
			return err
		}
	} else if err := w.Put(keyLarge(m.Body.Blob, serial), nil); err != nil {
		return err
	}
	if err := w.Put(keyID(m.ID), binary.AppendUvarint(nil, serial)); err != nil {
		return err
	}
	return w.Put(keyEnvelope(serial), stored.encode())
}

// nextSerial gives out the next serial of a slice.
func nextSerial(w kv.Writer) (uint64, error) {
	last, sound, err := lastSerial(w)
	if err == nil && !sound {
		last, err = unusedSerial(w)
	}
	if err != nil {
		return 0, err
	}
	return last + 1, w.Put(keyHead, binary.AppendUvarint(nil, last+1))
}

// lastSerial is the last serial that a slice has given out; it is not sound if the
// record of that is damaged.
func lastSerial(r kv.Reader) (last uint64, sound bool, err error) {
	b, ok, err := r.Get(keyHead)
	if err != nil || !ok {
		return 0, err == nil, err
	}
	last, err = decodeSerial(b)
	return last, err == nil, nil
}

// unusedSerial is a serial far above those of the messages that are there, so that
// it is above those of the ones that have left, too.
func unusedSerial(r kv.Reader) (serial uint64, err error) {
	const far = 1 << 32
	newest := messagesFrom(0)
	newest.Reverse, newest.Limit = true, 1
	err = r.Scan(newest, func(k, _ []byte) bool {
		if len(k) >= envelopeKey {
			serial = serialOf(k)
		}
		return false
	})
	return serial + far, err
}

func decodeSerial(b []byte) (uint64, error) {
	serial, n := binary.Uvarint(b)
	if n <= 0 || serial >= 1<<serialBits {
		return 0, fault.New(fault.Corrupt, "queue: a serial does not decode")
	}
	return serial, nil
}
