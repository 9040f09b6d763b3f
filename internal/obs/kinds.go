package obs

import "iter"

// EventKinds are all kinds.
func EventKinds() iter.Seq[EventKind] {
	return func(yield func(EventKind) bool) {
		for k := EventKind(1); k < numKinds; k++ {
			if !yield(k) {
				return
			}
		}
	}
}
