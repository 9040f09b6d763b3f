package store

import (
	"bytes"
	"context"
	"encoding/binary"

	"posthorn/internal/kv"
)

// RemoveAccount removes all that is kept of an account, for good, and what others shared
// with it. Its large bodies go with the next sweep, if nobody else has them. The
// account must be one that nobody can come in to any more: looked at again, it would
// come into being anew.
func (s *Store) RemoveAccount(ctx context.Context, id AccountID) error {
	a := s.Account(id)
	err := s.engine.Update(ctx, []kv.Shard{a.shard, sharesShard}, func(tx kv.Tx) error {
		hints, err := hintsOf(tx.In(sharesShard), id)
		if err != nil {
			return err
		}
		for _, k := range hints {
			if err := tx.In(sharesShard).Delete(k); err != nil {
				return err
			}
		}
		return tx.In(a.shard).DeleteRange(nil, nil)
	})
	if err == nil {
		s.known.drop(id)
	}
	return err
}

// hintsOf finds who shares with an account, and with whom it shares.
func hintsOf(r kv.Reader, id AccountID) (keys [][]byte, err error) {
	number := binary.BigEndian.AppendUint64(nil, uint64(id))
	err = r.Scan(kv.Range{}, func(k, _ []byte) bool {
		if bytes.HasSuffix(k, number) || k[0] == 'U' && bytes.HasPrefix(k[1:], number) {
			keys = append(keys, bytes.Clone(k))
		}
		return true
	})
	return keys, err
}
