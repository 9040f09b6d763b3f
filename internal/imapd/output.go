package imapd

import "posthorn/internal/wire"

const (
	batchSize     = 256 << 10 // responses gathered before they are written
	keptBatchSize = 1 << 20   // larger buffers are left to the garbage collector
)

// output gathers responses, so that large answers are made of few writes, and none
// of them happens while the store is being read.
type output struct {
	peer   *wire.Conn
	b      []byte
	pool   *[]byte
	reader enabled // what it understands
	err    error   // of writing; what comes after it is dropped
}

func (s *session) newOutput() *output {
	p, _ := s.srv.buffers.Get().(*[]byte)
	if p == nil {
		b := make([]byte, 0, 16<<10)
		p = &b
	}
	return &output{peer: s.conn, b: (*p)[:0], pool: p, reader: s.enabled}
}

// full reports that it is time to write.
func (o *output) full() bool { return len(o.b) >= batchSize }

// write sends what was gathered.
func (o *output) write() error {
	if o.err == nil {
		_, o.err = o.peer.Write(o.b)
	}
	o.b = o.b[:0]
	return o.err
}

// writeIfFull is for places that may write: nowhere inside a callback of the store
// that reads the engine.
func (o *output) writeIfFull() {
	if o.full() {
		o.write()
	}
}

// closeOutput writes what is left and gives the buffer back.
func (s *session) closeOutput(o *output) error {
	err := o.write()
	if cap(o.b) <= keptBatchSize {
		*o.pool = o.b
		s.srv.buffers.Put(o.pool)
	}
	o.b = nil
	return err
}
