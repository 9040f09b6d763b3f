package fsblob

import (
	"posthorn/internal/blob"
	"posthorn/internal/fault"
)

// writer cuts what it is given into frames and appends them to a file in tmp/.
type writer struct {
	store *Store
	id    blob.ID
	file  file // nil until there is something to write
	ended bool
	err   error // why the blob cannot be completed any more

	raw    *[frameSize]byte
	filled int // bytes of raw: the frame that is not complete, or not known not to be the last
	buffer *[outSize]byte
	out    []byte // what the file gets next, in buffer

	sampler sampler
	index   []uint32
	size    int64
}

func newWriter(s *Store, id blob.ID) *writer {
	w := &writer{store: s, id: id, raw: s.codec.raw.Get().(*[frameSize]byte), buffer: s.codec.stored.Get().(*[outSize]byte)}
	w.out = append(w.buffer[:0], magic...)
	return w
}

func (w *writer) Write(p []byte) (int, error) {
	if w.ended {
		return 0, errEnded(w.id)
	}
	written := 0
	for w.err == nil && written < len(p) {
		if w.filled == frameSize {
			w.frame(false)
			continue
		}
		n := copy(w.raw[w.filled:], p[written:])
		w.filled += n
		written += n
	}
	return written, w.err
}

func errEnded(id blob.ID) error { return fault.New(fault.Invalid, "fsblob: blob %s has ended", id) }

// frame takes the filled part of raw into out, as the next frame.
func (w *writer) frame(final bool) {
	from := len(w.out)
	h := frameHead{raw: w.filled, final: final}
	w.out = append(w.out, make([]byte, headSize)...)
	if w.sampler.try() {
		w.out, h.zstd = w.store.codec.compress(w.out, w.raw[:w.filled])
		w.sampler.learn(h.zstd)
	} else {
		w.out = append(w.out, w.raw[:w.filled]...)
	}
	h.stored = len(w.out) - from - headSize
	putFrameHead(w.out[from:], w.id, len(w.index), h)
	w.index = append(w.index, uint32(len(w.out)-from))
	w.size += int64(w.filled)
	w.filled = 0
	if len(w.out) >= frameSize {
		w.flush()
	}
}

// flush appends out to the file.
func (w *writer) flush() {
	if w.err != nil {
		return
	}
	if w.file == nil {
		f, err := w.store.files.Create(tmpPath(w.id))
		if err != nil {
			w.err = writeFault("create a blob", err)
			return
		}
		w.file = f
	}
	if _, err := w.file.Write(w.out); err != nil {
		w.err = writeFault("write blob "+string(w.id), err)
	}
	w.out = w.buffer[:0]
}

func (w *writer) Commit() (blob.ID, error) {
	if w.ended {
		return "", errEnded(w.id)
	}
	s := w.store
	s.life.RLock()
	defer s.life.RUnlock()
	switch {
	case s.closed:
		w.err = errClosed()
	case w.err == nil:
		w.complete()
	}
	if w.err != nil {
		w.Abort()
		return "", w.err
	}
	w.release()
	return w.id, nil
}

// complete gives the file its end and its name, both durable.
func (w *writer) complete() {
	w.frame(true)
	w.out = appendEnd(w.out, w.id, w.index, w.size)
	w.flush()
	if w.err != nil {
		return
	}
	if err := w.file.Sync(); err != nil {
		w.err = writeFault("sync blob "+string(w.id), err)
		return
	}
	if err := w.publish(); err != nil {
		w.err = writeFault("name blob "+string(w.id), err)
	}
}

// publish moves the synced file to its place.
func (w *writer) publish() error {
	s, name := w.store, string(w.id[:fanOut])
	folder, err := s.folder(name)
	if err != nil {
		return err
	}
	if err := s.files.Rename(tmpPath(w.id), finalPath(w.id)); err != nil {
		return err
	}
	if err := folder.Do(func() error { return s.files.SyncDir(name) }); err != nil {
		s.files.Remove(finalPath(w.id)) // if that fails too, the sweeper finds it
		return err
	}
	return nil
}

func (w *writer) Abort() {
	if w.ended {
		return
	}
	hadFile := w.file != nil
	w.release()
	if hadFile {
		w.store.files.Remove(tmpPath(w.id)) // if that fails, the next Open does it
	}
}

// release ends the writer: it lets go of its file and buffers.
func (w *writer) release() {
	w.ended = true
	if w.file != nil {
		w.file.Close() // what matters has been synced
	}
	w.store.codec.raw.Put(w.raw)
	w.store.codec.stored.Put(w.buffer)
	w.raw, w.buffer, w.out, w.file = nil, nil, nil, nil
}
