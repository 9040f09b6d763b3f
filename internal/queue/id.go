package queue

import (
	"encoding/base32"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// ID names a message wherever it is spoken of: 16 letters and digits that sort by
// time. It must be new.
type ID string

const idAlphabet = "0123456789abcdefghijklmnopqrstuv"

var idEncoding = base32.NewEncoding(idAlphabet).WithPadding(base32.NoPadding)

// NewID makes an ID from the moment in milliseconds and 32 bits of chance.
func NewID(at time.Time) ID {
	var b [10]byte
	binary.BigEndian.PutUint64(b[:], uint64(at.UnixMilli())<<16)
	binary.BigEndian.PutUint32(b[6:], rand.Uint32())
	return ID(idEncoding.EncodeToString(b[:]))
}

// newIDIn makes an ID whose message belongs to a slice.
func newIDIn(slice int, at time.Time) ID {
	id := NewID(at)
	last := len(id) - 1
	return id[:last] + ID(idAlphabet[slice:slice+1])
}

// Beside makes an ID whose message goes into the same shard, for what is queued in
// the same commit.
func (id ID) Beside(at time.Time) ID { return newIDIn(sliceOf(id), at) }

const idLength = 16

// Time is when the ID was made; false if it is none.
func (id ID) Time() (time.Time, bool) {
	raw, err := idEncoding.DecodeString(string(id))
	if err != nil || id.check() != nil {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(raw) >> 16)), true
}

// check says what is wrong with an ID, if anything; a fault.Invalid.
func (id ID) check() error {
	if len(id) != idLength || strings.Trim(string(id), idAlphabet) != "" {
		return fault.New(fault.Invalid, "queue: %q names no message; a name has %d letters and digits", string(id), idLength)
	}
	return nil
}

// checkName is check for names that people give, who may name a damaged message by
// its place.
func (id ID) checkName() error {
	if _, ok := placed(id); ok {
		return nil
	}
	return id.check()
}

// numSlices is how many shards the queue is cut into: so many commits can be under way
// at once, and so many nodes can share it.
const numSlices = 16

// sliceOf is the slice of a valid ID: chance decides, by its last character.
func sliceOf(id ID) int { return strings.IndexByte(idAlphabet, id[len(id)-1]) % numSlices }

// sliceOfName is sliceOf for a name that checkName lets pass.
func sliceOfName(id ID) int {
	if k, ok := placed(id); ok {
		return k.slice()
	}
	return sliceOf(id)
}

const sliceShards = "q/"

func sliceShard(slice int) kv.Shard {
	const digits = "0123456789abcdef"
	return kv.Shard(sliceShards + "0" + digits[slice:slice+1])
}

// ShardOf is the shard that a message is Put into: "q/00" to "q/0f". The ID must be
// one that NewID could have made.
func ShardOf(id ID) kv.Shard { return sliceShard(sliceOf(id)) }
