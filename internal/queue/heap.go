package queue

// heap keeps the least of its elements at hand. Each element knows its position,
// so that it can be taken out from anywhere.
type heap[T any] struct {
	all   []T
	less  func(a, b T) bool
	place func(e T, position int)
}

func (h *heap[T]) len() int { return len(h.all) }

// top is the least element; there must be one.
func (h *heap[T]) top() T { return h.all[0] }

func (h *heap[T]) push(e T) {
	h.all = append(h.all, e)
	h.place(e, len(h.all)-1)
	h.up(len(h.all) - 1)
}

func (h *heap[T]) pop() T {
	e := h.all[0]
	h.remove(0)
	return e
}

// remove takes the element at a position out.
func (h *heap[T]) remove(i int) {
	last := len(h.all) - 1
	moved := h.all[last]
	var none T
	h.all[last] = none
	h.all = h.all[:last]
	if i == last {
		return
	}
	h.all[i] = moved
	h.place(moved, i)
	h.down(i)
	h.up(i)
}

func (h *heap[T]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(h.all[i], h.all[parent]) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *heap[T]) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.all); child++ {
			if h.less(h.all[child], h.all[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}

func (h *heap[T]) swap(i, j int) {
	h.all[i], h.all[j] = h.all[j], h.all[i]
	h.place(h.all[i], i)
	h.place(h.all[j], j)
}
