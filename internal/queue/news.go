package queue

import "sync"

// news is what the schedule has not heard of yet: slices with new messages, and
// messages that were changed. Run alone takes it in, so that nothing older
// overtakes something newer.
type news struct {
	kick chan struct{} // holds a token when there is something to do

	mu      sync.Mutex // guards what follows
	slices  [numSlices]bool
	changed map[key]bool
}

func newNews() *news {
	return &news{kick: make(chan struct{}, 1), changed: make(map[key]bool)}
}

// wake makes Run look around.
func (n *news) wake() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

// of tells of a commit in a slice.
func (n *news) of(slice int) {
	n.keepSlice(slice)
	n.wake()
}

// about tells of changes of messages that the schedule may know.
func (n *news) about(keys ...key) {
	n.keepKeys(keys)
	n.wake()
}

// keepSlice notes that a slice has something new, for when Run looks around.
func (n *news) keepSlice(slice int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.slices[slice] = true
}

// keepKeys notes that messages were changed, for when Run looks around.
func (n *news) keepKeys(keys []key) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range keys {
		n.changed[k] = true
	}
}

// collect hands out all there is, and forgets it.
func (n *news) collect() (slices [numSlices]bool, changed [numSlices][]key) {
	n.mu.Lock()
	defer n.mu.Unlock()
	slices, n.slices = n.slices, slices
	for k := range n.changed {
		changed[k.slice()] = append(changed[k.slice()], k)
	}
	clear(n.changed)
	return slices, changed
}
