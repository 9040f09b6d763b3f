package directory

import "sync"

// memoSize bounds a memo; beyond it some entries go, whichever.
const memoSize = 1 << 16

// memo remembers answers until anything changes. The generation closes the gap
// between reading and remembering: an answer read before a change is not kept.
type memo[K comparable, V any] struct {
	size       int
	mu         sync.RWMutex
	generation uint64
	answers    map[K]V
}

func newMemo[K comparable, V any]() *memo[K, V] { return newMemoOf[K, V](memoSize) }

func newMemoOf[K comparable, V any](size int) *memo[K, V] {
	return &memo[K, V]{size: size, answers: make(map[K]V)}
}

// get returns what is remembered, and the generation to give to put if nothing is.
func (m *memo[K, V]) get(key K) (answer V, generation uint64, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	answer, ok = m.answers[key]
	return answer, m.generation, ok
}

// put remembers an answer, unless something has changed since get.
func (m *memo[K, V]) put(key K, answer V, generation uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if generation != m.generation {
		return
	}
	if len(m.answers) >= m.size {
		for old := range m.answers {
			delete(m.answers, old)
			if len(m.answers) <= m.size*7/8 {
				break
			}
		}
	}
	m.answers[key] = answer
}

// forget drops everything.
func (m *memo[K, V]) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.generation++
	clear(m.answers)
}
