package directory

import (
	"context"
	"crypto/rand"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/srs"
)

const (
	secretSize = 32                   // bytes of a secret of return addresses
	secretTurn = 180 * 24 * time.Hour // how long it signs
)

// rewriter is what is remembered of the secrets.
type rewriter struct {
	*srs.Rewriter
	until time.Time // when the newest secret has signed for long enough
}

// Rewriter makes return addresses for what is forwarded. All servers on the same
// engine share its secrets. One is made when there is none; half a year later another
// one signs, and the one before is recognised for as long as an address is good.
func (d *Directory) Rewriter(ctx context.Context) (*srs.Rewriter, error) {
	found, generation, ok := d.rewriters.get(struct{}{})
	if ok && d.clock().Before(found.until) {
		return found.Rewriter, nil
	}
	var rec rewriteRecord
	err := d.view(ctx, func(r kv.Reader) (err error) {
		rec, _, err = get[rewriteRecord](r, []byte{rewriteKey})
		return err
	})
	if err == nil && !rec.signs(d.clock()) {
		if rec, err = d.newSecret(ctx); err == nil {
			_, generation, _ = d.rewriters.get(struct{}{}) // the one before is over
		}
	}
	if err != nil {
		return nil, err
	}
	found = rec.rewriter()
	d.rewriters.put(struct{}{}, found, generation)
	return found.Rewriter, nil
}

// signs says that the newest secret may still be used for signing.
func (rec *rewriteRecord) signs(now time.Time) bool {
	return len(rec.Secrets) > 0 && now.Before(rec.Secrets[0].Created.Add(secretTurn))
}

func (rec *rewriteRecord) rewriter() rewriter {
	keys := make([][]byte, len(rec.Secrets))
	for i, secret := range rec.Secrets {
		keys[i] = secret.Key
	}
	return rewriter{srs.New(keys...), rec.Secrets[0].Created.Add(secretTurn)}
}

// newSecret makes a secret, unless somebody has just done so, and drops those that
// nothing good was made with any more.
func (d *Directory) newSecret(ctx context.Context) (rewriteRecord, error) {
	key := make([]byte, secretSize)
	rand.Read(key) // never fails
	var rec rewriteRecord
	err := d.update(ctx, func(w kv.Writer) error {
		now := d.clock().UTC()
		before, _, err := get[rewriteRecord](w, []byte{rewriteKey})
		if rec = before; err != nil || before.signs(now) {
			return err
		}
		rec.Secrets = []rewriteSecret{{key, now}}
		if len(before.Secrets) > 0 { // the one that signed until now
			rec.Secrets = append(rec.Secrets, before.Secrets[0])
		}
		return put(w, []byte{rewriteKey}, rec)
	})
	return rec, err
}
