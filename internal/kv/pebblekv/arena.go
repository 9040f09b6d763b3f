package pebblekv

// arena holds copies of values, since an iterator's own are gone when it moves on.
// Its memory is used again after reset: reading bodies would otherwise leave as many
// bytes to the garbage collector as it reads.
type arena struct {
	blocks [][]byte // used one after the other; the first ones may be full
	at     int      // the block that is being filled
	size   int      // of all blocks
}

// The first block has firstBlock bytes, for the counters that most views read; further
// ones are larger. An arena of more than keepArena bytes is not used again.
const (
	firstBlock = 4 << 10
	nextBlock  = 64 << 10
	keepArena  = 512 << 10
)

// copy gives a copy of a value that stays until reset.
func (a *arena) copy(value []byte) []byte {
	for ; a.at < len(a.blocks); a.at++ {
		if b := a.blocks[a.at]; len(value) <= cap(b)-len(b) {
			return a.put(value)
		}
	}
	size := nextBlock
	if len(a.blocks) == 0 {
		size = firstBlock
	}
	size = max(size, len(value))
	a.blocks = append(a.blocks, make([]byte, 0, size))
	a.size += size
	return a.put(value)
}

// put appends to the current block, which has room.
func (a *arena) put(value []byte) []byte {
	b := a.blocks[a.at]
	start := len(b)
	b = append(b, value...)
	a.blocks[a.at] = b
	return b[start:len(b):len(b)]
}

// reset ends the life of the copies, and says whether the arena is worth keeping.
func (a *arena) reset() bool {
	for i := range a.blocks {
		a.blocks[i] = a.blocks[i][:0]
	}
	a.at = 0
	return a.size <= keepArena
}
