package blobtest

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"posthorn/internal/blob"
	"posthorn/internal/fault"
)

// testModel runs random operations against a map of what should be there.
func testModel(t *testing.T, open func(t testing.TB) *Subject) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{t: t, subject: open(t), garbage: map[blob.ID]bool{}}
		rt.Repeat(map[string]func(*rapid.T){
			"create": m.create,
			"write":  m.write,
			"commit": m.commit,
			"abort":  m.abort,
			"delete": m.delete,
			"read":   m.read,
			"crash":  m.crash,
			"":       m.check,
		})
	})
}

// model is what a correct store would hold.
type model struct {
	t       testing.TB
	subject *Subject
	blobs   []stored
	garbage map[blob.ID]bool // deleted ones, which a crash may bring back
	begun   []*begun
}

// stored is a committed blob.
type stored struct {
	id   blob.ID
	data []byte
}

// begun is a blob that is being written.
type begun struct {
	w    blob.Writer
	data []byte
}

func (m *model) create(rt *rapid.T) {
	if len(m.begun) == 4 {
		rt.Skip("enough writers")
	}
	w, err := m.subject.Store.Create(background)
	if err != nil {
		rt.Fatalf("Create: %v", err)
	}
	m.begun = append(m.begun, &begun{w: w})
}

// pick chooses one of the writers.
func (m *model) pick(rt *rapid.T) int {
	if len(m.begun) == 0 {
		rt.Skip("no writer")
	}
	return rapid.IntRange(0, len(m.begun)-1).Draw(rt, "writer")
}

func (m *model) write(rt *rapid.T) {
	b := m.begun[m.pick(rt)]
	size := rapid.SampledFrom([]int{0, 1, 500, 30_000, 65_536, 150_000}).Draw(rt, "size")
	p := Body(rapid.Uint64Range(0, 20).Draw(rt, "seed"), size)
	if n, err := b.w.Write(p); n != len(p) || err != nil {
		rt.Fatalf("Write %d bytes: %d, %v", len(p), n, err)
	}
	b.data = append(b.data, p...)
}

// take removes one of the writers from the model.
func (m *model) take(rt *rapid.T) *begun {
	i := m.pick(rt)
	b := m.begun[i]
	m.begun = append(m.begun[:i], m.begun[i+1:]...)
	return b
}

func (m *model) commit(rt *rapid.T) {
	b := m.take(rt)
	id, err := b.w.Commit()
	if err != nil {
		rt.Fatalf("Commit: %v", err)
	}
	m.blobs = append(m.blobs, stored{id, b.data})
}

func (m *model) abort(rt *rapid.T) { m.take(rt).w.Abort() }

// some chooses one of the blobs.
func (m *model) some(rt *rapid.T) int {
	if len(m.blobs) == 0 {
		rt.Skip("no blob")
	}
	return rapid.IntRange(0, len(m.blobs)-1).Draw(rt, "blob")
}

func (m *model) delete(rt *rapid.T) {
	i := m.some(rt)
	id := m.blobs[i].id
	m.blobs = append(m.blobs[:i], m.blobs[i+1:]...)
	m.garbage[id] = true
	m.mustDelete(rt, id)
}

func (m *model) mustDelete(rt *rapid.T, id blob.ID) {
	if err := m.subject.Store.Delete(background, id); err != nil {
		rt.Fatalf("Delete: %v", err)
	}
	if _, err := m.subject.Store.Open(background, id); !fault.Is(err, fault.NotFound) {
		rt.Fatalf("Open after Delete: %v", err)
	}
}

func (m *model) read(rt *rapid.T) {
	b := m.blobs[m.some(rt)]
	got, err := readAll(m.subject.Store, b.id)
	if err != nil || !bytes.Equal(got, b.data) {
		rt.Fatalf("read %s: %d bytes, %v; want %d bytes", b.id, len(got), err, len(b.data))
	}
}

func (m *model) crash(rt *rapid.T) {
	m.subject.Crash(m.t)
	m.begun = nil
	for id := range list(m.t, m.subject.Store) {
		if m.garbage[id] {
			m.mustDelete(rt, id) // as the sweeper does
		}
	}
}

// check compares the lists after every step.
func (m *model) check(rt *rapid.T) {
	found := list(m.t, m.subject.Store)
	if len(found) != len(m.blobs) {
		rt.Fatalf("%d blobs are listed, want %d", len(found), len(m.blobs))
	}
	for _, b := range m.blobs {
		if _, ok := found[b.id]; !ok {
			rt.Fatalf("blob %s is not listed", b.id)
		}
	}
}
