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

// some says that there is something.
func (n *news) some() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.changed) > 0 || n.slices != [numSlices]bool{}
}

// readAtOnce is how many changed messages are read again before the schedule goes on.
const readAtOnce = 1000

// collect hands out what there is, and forgets it. If that is not all, Run will look
// around again at once.
func (n *news) collect() (slices [numSlices]bool, changed [numSlices][]key) {
	n.mu.Lock()
	defer n.mu.Unlock()
	slices, n.slices = n.slices, slices
	left := readAtOnce
	for k := range n.changed {
		if left--; left < 0 {
			n.wake()
			break
		}
		changed[k.slice()] = append(changed[k.slice()], k)
		delete(n.changed, k)
	}
	return slices, changed
}
