package queue

import (
	"encoding/binary"

	"posthorn/internal/blob"
	"posthorn/internal/kv"
)

// The keys of a slice's shard. Numbers are big-endian, so that they sort. A message
// has a serial in its slice, given out in the order of the commits: who knows the
// last one he has seen finds the new messages by one scan.
//
//	A                  the last serial given out
//	B serial           a small body: its checksum, then its bytes
//	E serial           a message's envelope; it never changes
//	E serial number    the progress of a recipient, once there is any
//	I id               -> serial
//	L blob serial      a large body that the message refers to
var keyHead = []byte{'A'}

func keyBody(serial uint64) []byte { return numbered('B', serial) }

func keyEnvelope(serial uint64) []byte { return numbered('E', serial) }

func keyProgress(serial uint64, number int) []byte {
	return binary.BigEndian.AppendUint32(numbered('E', serial), uint32(number))
}

func keyID(id ID) []byte { return append([]byte{'I'}, id...) }

func keyLarge(id blob.ID, serial uint64) []byte {
	k := append(make([]byte, 0, 1+len(id)+8), 'L')
	return binary.BigEndian.AppendUint64(append(k, id...), serial)
}

// blobOf is the blob of a key made by keyLarge.
func blobOf(k []byte) blob.ID { return blob.ID(k[1 : len(k)-8]) }

func numbered(kind byte, serial uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 1+8+4), kind), serial)
}

// Lengths of keys: one made by keyEnvelope, and one made by keyProgress.
const (
	envelopeKey = 1 + 8
	progressKey = envelopeKey + 4
)

// serialOf is the serial in a key made by numbered or keyProgress.
func serialOf(k []byte) uint64 { return binary.BigEndian.Uint64(k[1:]) }

// numberOf is the recipient of a key made by keyProgress.
func numberOf(k []byte) int { return int(binary.BigEndian.Uint32(k[envelopeKey:])) }

// messageRange is a message's envelope and the progress of its recipients.
func messageRange(serial uint64) kv.Range {
	return kv.Range{From: keyEnvelope(serial), To: keyEnvelope(serial + 1)}
}

// messagesFrom is all messages from a serial on.
func messagesFrom(serial uint64) kv.Range {
	return kv.Range{From: keyEnvelope(serial), To: []byte{'E' + 1}}
}

// key names a message in memory: its slice and its serial there.
type key uint64

const (
	serialBits = 56
	noKey      = ^key(0) // of no message: there are fewer slices
)

func makeKey(slice int, serial uint64) key { return key(slice)<<serialBits | key(serial) }
func (k key) slice() int                   { return int(k >> serialBits) }
func (k key) serial() uint64               { return uint64(k) & (1<<serialBits - 1) }
func (k key) shard() kv.Shard              { return sliceShard(k.slice()) }
