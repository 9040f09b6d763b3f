package pgkv

// How much a statement that writes many rows is given at most.
const (
	rowsPerStatement  = 5000
	bytesPerStatement = 4 << 20
)

// commit writes what there is to write and commits, all in one round trip. An
// error of a statement says that nothing was committed; after any other the
// outcome is open.
func (t *tx) commit() error {
	t.lock()
	for i := range t.pending {
		if !t.pending[i].empty() {
			t.sendWrites([]byte(t.set.names[i]), &t.pending[i])
		}
	}
	t.sendMark()
	return t.conn.commit()
}

// sendWrites has a shard changed to what the overlay says.
func (t *tx) sendWrites(shard []byte, o *overlay) {
	for _, s := range o.spans {
		if s.open {
			t.conn.send(deleteFrom, shard, []byte(s.from))
		} else {
			t.conn.send(deleteRange, shard, []byte(s.from), []byte(s.to))
		}
	}
	var puts, deletes batch
	for _, w := range o.writes {
		if w.deleted {
			if deletes.add(w); deletes.full() {
				t.sendDeletes(shard, &deletes)
			}
		} else {
			if puts.add(w); puts.full() {
				t.sendPuts(shard, &puts)
			}
		}
	}
	t.sendDeletes(shard, &deletes)
	t.sendPuts(shard, &puts)
}

func (t *tx) sendDeletes(shard []byte, b *batch) {
	if len(b.writes) > 0 {
		t.conn.send(deleteKeys, shard, b.keys())
	}
	*b = batch{}
}

func (t *tx) sendPuts(shard []byte, b *batch) {
	switch len(b.writes) {
	case 0:
	case 1:
		t.conn.send(put, shard, bytea(b.writes[0].key), bytea(b.writes[0].value))
	default:
		t.conn.send(putMany, shard, b.keys(), b.values())
	}
	*b = batch{}
}

// batch is the rows of one statement.
type batch struct {
	writes               []*write
	keyBytes, valueBytes int
}

func (b *batch) add(w *write) {
	b.writes = append(b.writes, w)
	b.keyBytes += len(w.key)
	b.valueBytes += len(w.value)
}

func (b *batch) full() bool {
	return len(b.writes) >= rowsPerStatement || b.keyBytes+b.valueBytes >= bytesPerStatement
}

func (b *batch) keys() []byte {
	a := newByteaArray(len(b.writes), b.keyBytes)
	for _, w := range b.writes {
		a.add(w.key)
	}
	return a.encoded
}

func (b *batch) values() []byte {
	a := newByteaArray(len(b.writes), b.valueBytes)
	for _, w := range b.writes {
		a.add(w.value)
	}
	return a.encoded
}
