package history

import (
	"slices"

	"posthorn/internal/record"
)

// An index says what can be found in a batch: the low halves of its tokens, sorted,
// each as the distance from the one before. What is not in it, is not in the batch;
// what is in it, is there but for a chance of one in millions.

const indexVersion = 1

// encodeIndex writes an index; it sorts the marks.
func encodeIndex(marks []uint32) []byte {
	slices.Sort(marks)
	c := record.NewEncoder(1 + 3*len(marks))
	c.Byte(indexVersion)
	last := uint32(0)
	for i, mark := range marks {
		if i == 0 || mark != last {
			c.Uint(uint64(mark - last))
			last = mark
		}
	}
	return c.Record()
}

// indexHas says that an index has one of the marks, which are sorted.
func indexHas(index []byte, marks []uint32) (bool, error) {
	d := record.NewDecoder(index)
	if _, err := d.Version(indexVersion, "history: an index"); err != nil {
		return false, err
	}
	at, i := uint64(0), 0
	for i < len(marks) && d.More() {
		at += d.Uint()
		for i < len(marks) && uint64(marks[i]) < at {
			i++
		}
		if i < len(marks) && uint64(marks[i]) == at {
			return true, nil
		}
	}
	return false, d.Done("history: an index")
}

// marksOf are the marks of tokens, sorted.
func marksOf(tokens []token) []uint32 {
	marks := make([]uint32, len(tokens))
	for i, t := range tokens {
		marks[i] = uint32(t)
	}
	slices.Sort(marks)
	return slices.Compact(marks)
}
