package outbound

import (
	"bytes"
	"context"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/mtasts"
)

// Shelf keeps the MTA-STS policies of domains in an engine, one key each: it is a
// mtasts.Store.
type Shelf struct{ Engine kv.Engine }

const shelfShard kv.Shard = "mtasts"

// Load gives what Save has kept for a domain.
func (s Shelf) Load(ctx context.Context, domain string) (record []byte, err error) {
	err = s.Engine.View(ctx, shelfShard, func(r kv.Reader) error {
		value, _, err := r.Get([]byte(domain))
		record = bytes.Clone(value)
		return err
	})
	return record, err
}

// Save keeps the record of a domain.
func (s Shelf) Save(ctx context.Context, domain string, record []byte) error {
	return s.Engine.Update(ctx, []kv.Shard{shelfShard}, func(tx kv.Tx) error {
		return tx.In(shelfShard).Put([]byte(domain), record)
	})
}

// Tidy removes what holds no longer.
func (s Shelf) Tidy(ctx context.Context) error {
	return s.Engine.Update(ctx, []kv.Shard{shelfShard}, func(tx kv.Tx) error {
		var old [][]byte
		w := tx.In(shelfShard)
		err := w.Scan(kv.Range{}, func(domain, record []byte) bool {
			if mtasts.Expired(record, time.Now()) {
				old = append(old, bytes.Clone(domain))
			}
			return true
		})
		for _, domain := range old {
			if err == nil {
				err = w.Delete(domain)
			}
		}
		return err
	})
}
