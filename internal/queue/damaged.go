package queue

import (
	"bytes"
	"context"
	"encoding/binary"
	"strconv"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Damage is a message of which a record cannot be read. It is not tried, and keeps
// nothing else from being tried; it stays until the operator deletes it.
type Damage struct {
	// ID is the message's, or, if that cannot be found out, where its records lie:
	// "q/03/17", the slice and the serial there. Show and Operate take both.
	ID  ID
	Err error
}

// maxDamaged is how many damaged messages are listed.
const maxDamaged = 1000

// Damaged lists the messages that cannot be read.
func (q *Queue) Damaged(ctx context.Context) ([]Damage, error) {
	var all []Damage
	for slice := range numSlices {
		err := q.engine.View(ctx, sliceShard(slice), func(r kv.Reader) error {
			found, err := damagedIn(r, slice)
			all = append(all, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all[:min(len(all), maxDamaged)], nil
}

func damagedIn(r kv.Reader, slice int) ([]Damage, error) {
	var found []Damage
	var serials []uint64
	err := readMessages(r, slice, messagesFrom(0),
		func(*stored) bool { return len(found) < maxDamaged },
		func(k key, err error) {
			found, serials = append(found, Damage{k.place(), err}), append(serials, k.serial())
		})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	names, err := namesOf(r, serials...)
	for i, serial := range serials {
		if len(names[serial]) > 0 {
			found[i].ID = names[serial][0]
		}
	}
	return found, err
}

// namesOf finds what the index calls messages of a slice.
func namesOf(r kv.Reader, serials ...uint64) (map[uint64][]ID, error) {
	names := make(map[uint64][]ID, len(serials))
	for _, serial := range serials {
		names[serial] = nil
	}
	err := r.Scan(kv.Prefix([]byte{'I'}), func(k, v []byte) bool {
		serial, err := decodeSerial(v)
		if _, wanted := names[serial]; wanted && err == nil {
			names[serial] = append(names[serial], ID(k[1:]))
		}
		return true
	})
	return names, err
}

// place names a message whose own name is not known.
func (k key) place() ID { return ID(string(k.shard()) + "/" + strconv.FormatUint(k.serial(), 10)) }

// placed is the message of a name that place made.
func placed(id ID) (key, bool) {
	slice, number, ok := strings.Cut(strings.TrimPrefix(string(id), sliceShards), "/")
	serial, err := strconv.ParseUint(number, 10, serialBits)
	if !ok || err != nil {
		return 0, false
	}
	for i := range numSlices {
		if k := makeKey(i, serial); string(k.shard()) == sliceShards+slice && k.place() == id {
			return k, true
		}
	}
	return 0, false
}

// locate finds a message by its name; found is false if there is none. Where the
// index is damaged all messages of the slice are looked at.
func locate(r kv.Reader, slice int, id ID) (k key, found bool, err error) {
	if k, ok := placed(id); ok {
		return k, true, nil
	}
	b, ok, err := r.Get(keyID(id))
	if err != nil || !ok {
		return 0, false, err
	}
	serial, err := decodeSerial(b)
	if err == nil {
		return makeKey(slice, serial), true, nil
	}
	err = readMessages(r, slice, messagesFrom(0),
		func(st *stored) bool {
			if st.ID == id {
				k, found = st.key, true
			}
			return !found
		}, func(key, error) {})
	return k, found, err
}

// discard removes all records of a message that cannot be read.
func (q *Queue) discard(ctx context.Context, id ID) error {
	slice := sliceOfName(id)
	shard := sliceShard(slice)
	return q.engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error {
		w := tx.In(shard)
		k, found, err := locate(w, slice, id)
		if err != nil || !found {
			return err
		}
		gone := [][]byte{keyBody(k.serial())}
		names, err := namesOf(w, k.serial())
		if err != nil {
			return err
		}
		for _, name := range names[k.serial()] {
			gone = append(gone, keyID(name))
		}
		suffix := binary.BigEndian.AppendUint64(nil, k.serial())
		err = w.Scan(kv.Prefix([]byte{'L'}), func(k, _ []byte) bool {
			if bytes.HasSuffix(k, suffix) {
				gone = append(gone, bytes.Clone(k))
			}
			return true
		})
		for _, k := range gone {
			if err == nil {
				err = w.Delete(k)
			}
		}
		if rg := messageRange(k.serial()); err == nil {
			err = w.DeleteRange(rg.From, rg.To)
		}
		return err
	})
}

// unreadable is the error of who asks for a message that is damaged.
func unreadable(id ID, err error) error {
	return fault.New(fault.Corrupt, "queue: message %s cannot be read, and stays until it is deleted: %w", id, err)
}
