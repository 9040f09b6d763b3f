package pgkv

import (
	"encoding/binary"
)

// statement is one of the prepared statements that every connection has.
type statement int

const (
	// lock waits until this transaction owns a lock, which ends with it.
	lock statement = iota
	get
	getEach // the rows that there are, with their places among the keys
	scanUp
	scanUpFrom // as scanUp, without an upper bound
	scanDown
	scanDownFrom
	listShards
	put
	putMany
	deleteKeys
	deleteRange
	deleteFrom // as deleteRange, without an upper bound
	mark
	unmark
	claim
	claimed
	numStatements
)

// statements are their texts. Each is a walk along the primary key, by which the
// rows lie together per shard.
var statements = [numStatements]string{
	lock: `SELECT pg_advisory_xact_lock($1)`,

	get: `SELECT value FROM kv WHERE shard = $1 AND key = $2`,
	getEach: `SELECT wanted.n, kv.value FROM unnest($2::bytea[]) WITH ORDINALITY AS wanted (key, n)
		JOIN kv ON kv.shard = $1 AND kv.key = wanted.key ORDER BY wanted.n`,
	scanUp:       `SELECT key, value FROM kv WHERE shard = $1 AND key >= $2 AND key < $4 ORDER BY key LIMIT $3`,
	scanUpFrom:   `SELECT key, value FROM kv WHERE shard = $1 AND key >= $2 ORDER BY key LIMIT $3`,
	scanDown:     `SELECT key, value FROM kv WHERE shard = $1 AND key >= $2 AND key < $4 ORDER BY key DESC LIMIT $3`,
	scanDownFrom: `SELECT key, value FROM kv WHERE shard = $1 AND key >= $2 ORDER BY key DESC LIMIT $3`,

	// One probe of the index per shard, however many rows it has.
	listShards: `WITH RECURSIVE found (shard) AS (
			(SELECT shard FROM kv WHERE shard >= $1 AND shard < $2 ORDER BY shard LIMIT 1)
		UNION ALL
			SELECT (SELECT kv.shard FROM kv WHERE kv.shard > found.shard AND kv.shard < $2 ORDER BY kv.shard LIMIT 1)
			FROM found WHERE found.shard IS NOT NULL
		) SELECT shard FROM found WHERE shard IS NOT NULL LIMIT $3`,

	put: `INSERT INTO kv (shard, key, value) VALUES ($1, $2, $3)
		ON CONFLICT (shard, key) DO UPDATE SET value = excluded.value`,
	putMany: `INSERT INTO kv (shard, key, value) SELECT $1, new.key, new.value FROM unnest($2::bytea[], $3::bytea[]) AS new (key, value)
		ON CONFLICT (shard, key) DO UPDATE SET value = excluded.value`,
	deleteKeys:  `DELETE FROM kv WHERE shard = $1 AND key = ANY ($2::bytea[])`,
	deleteRange: `DELETE FROM kv WHERE shard = $1 AND key >= $2 AND key < $3`,
	deleteFrom:  `DELETE FROM kv WHERE shard = $1 AND key >= $2`,

	// The marks of doubt.go.
	mark:    `INSERT INTO kv_commit (session, seq, void) VALUES ($1, $2, false)`,
	unmark:  `DELETE FROM kv_commit WHERE session = $1 AND seq < $2`,
	claim:   `INSERT INTO kv_commit (session, seq, void) VALUES ($1, $2, true) ON CONFLICT DO NOTHING`,
	claimed: `SELECT void FROM kv_commit WHERE session = $1 AND seq = $2`,
}

// Arguments travel in PostgreSQL's binary format, in which a bytea is its bytes.

// bytea is b as an argument; nil is empty, not NULL.
func bytea(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// bigint is n as an argument.
func bigint(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

const byteaOID = 17

// byteaArray makes an array of n elements as an argument.
type byteaArray struct{ encoded []byte }

// newByteaArray makes room for n elements of size bytes in all.
func newByteaArray(n, size int) *byteaArray {
	b := make([]byte, 0, 20+4*n+size)
	b = binary.BigEndian.AppendUint32(b, 1) // dimensions
	b = binary.BigEndian.AppendUint32(b, 0) // no element is NULL
	b = binary.BigEndian.AppendUint32(b, byteaOID)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	b = binary.BigEndian.AppendUint32(b, 1) // the first element's index
	return &byteaArray{b}
}

func (a *byteaArray) add(element []byte) {
	a.encoded = binary.BigEndian.AppendUint32(a.encoded, uint32(len(element)))
	a.encoded = append(a.encoded, element...)
}
