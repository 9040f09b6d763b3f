package directory

import (
	"context"
	"sync"
	"time"

	"posthorn/internal/kv"
)

// usedShard has what changes with logins.
const usedShard kv.Shard = "dir/used"

const (
	usedEvery = time.Hour // how often a use is written down
	maxUses   = 1 << 14   // how many are remembered, to know that
)

// usedRecord says when a credential was last used.
type usedRecord struct {
	At time.Time `json:"at"`
}

// usesKey begins the keys of an account.
func usesKey(id AccountID) []byte { return append([]byte{usedPrefix}, accountKey(id)[1:]...) }

func usedKey(id AccountID, c CredentialID) []byte { return append(usesKey(id), c...) }

// useSet remembers which uses have been written down.
type useSet struct {
	mu sync.Mutex
	at map[string]time.Time // by usedKey
}

func newUseSet() *useSet { return &useSet{at: map[string]time.Time{}} }

// due says whether a use is to be written down, and takes that as done.
func (s *useSet) due(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.at[key]; ok && now.Before(at.Add(usedEvery)) {
		return false
	}
	if len(s.at) >= maxUses {
		clear(s.at)
	}
	s.at[key] = now
	return true
}

// Used notes that an app password was used, at most once an hour. Nobody is kept out
// because it could not be noted.
func (d *Directory) Used(ctx context.Context, id AccountID, c CredentialID) {
	if c == "" {
		return
	}
	key, now := usedKey(id, c), d.clock().UTC()
	if !d.uses.due(string(key), now) {
		return
	}
	err := d.engine.Update(ctx, []kv.Shard{usedShard}, func(tx kv.Tx) error {
		return put(tx.In(usedShard), key, usedRecord{now})
	})
	if err != nil {
		d.log.WarnContext(ctx, "the use of an app password was not noted", "account", uint64(id), "error", err)
	}
}

// usedOf says when the app passwords of an account were last used.
func (d *Directory) usedOf(ctx context.Context, id AccountID) (map[CredentialID]time.Time, error) {
	var used map[CredentialID]time.Time
	prefix := usesKey(id)
	err := d.engine.View(ctx, usedShard, func(r kv.Reader) error {
		used = map[CredentialID]time.Time{}
		return scan(r, kv.Prefix(prefix), func(key []byte, rec usedRecord) error {
			used[CredentialID(key[len(prefix):])] = rec.At
			return nil
		})
	})
	return used, err
}
