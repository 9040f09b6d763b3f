package guesses

import (
	"hash/maphash"
	"sync"
	"time"

	"posthorn/internal/filter/rates"
)

const (
	knownFor    = 30 * 24 * time.Hour
	knownSets   = 1 << 14
	knownOfSet  = 7
	knownSlices = 1 << 8 // locks
)

// known are the networks that have proven a user of late. Where those of a user are
// depends on the user alone: whoever has one account and many networks pushes nobody out
// but himself, and the few who share the place.
type known struct {
	seed  maphash.Seed
	start time.Time
	locks []sync.RWMutex
	sets  [][knownOfSet]acquaintance
}

type acquaintance struct {
	key  rates.Key
	seen uint32 // seconds since the start, plus one; 0: free
}

func newKnown(now time.Time) known {
	return known{maphash.MakeSeed(), now, make([]sync.RWMutex, knownSlices), make([][knownOfSet]acquaintance, knownSets)}
}

func (k *known) at(user string) (*[knownOfSet]acquaintance, *sync.RWMutex) {
	hash := maphash.String(k.seed, user)
	return &k.sets[hash%knownSets], &k.locks[hash%knownSlices]
}

func (k *known) clock(now time.Time) uint32 { return uint32(now.Sub(k.start)/time.Second) + 1 }

func (k *known) has(now time.Time, user string, key rates.Key) bool {
	set, lock := k.at(user)
	lock.RLock()
	defer lock.RUnlock()
	for i := range set {
		if set[i].seen != 0 && set[i].key == key {
			return k.clock(now)-set[i].seen < uint32(knownFor/time.Second)
		}
	}
	return false
}

// add notes an acquaintance, in the place of the one that was not seen for longest.
func (k *known) add(now time.Time, user string, key rates.Key) {
	set, lock := k.at(user)
	lock.Lock()
	defer lock.Unlock()
	place := &set[0]
	for i := range set {
		if set[i].key == key {
			place = &set[i]
			break
		}
		if set[i].seen < place.seen {
			place = &set[i]
		}
	}
	*place = acquaintance{key, k.clock(now)}
}
