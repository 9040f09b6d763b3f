package inbound

import (
	"encoding/base32"
	"encoding/binary"
	"math/rand/v2"
	"time"
)

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// newID names a message: 16 letters and digits that sort by time, from the moment
// in milliseconds and 32 bits of chance. It is in the Received line, the reply and
// every log line.
func newID(at time.Time) string {
	var b [10]byte
	binary.BigEndian.PutUint64(b[:], uint64(at.UnixMilli())<<16)
	binary.BigEndian.PutUint32(b[6:], rand.Uint32())
	return idEncoding.EncodeToString(b[:])
}
