package fsblob

import (
	"io"
	"sync/atomic"

	"posthorn/internal/blob"
	"posthorn/internal/fault"
)

// reader reads a committed blob.
type reader struct {
	store   *Store
	id      blob.ID
	file    file
	size    int64
	offsets []int64 // of each frame in the file, and of their end
	// last is the frame that a read used in part, for the next read. Whoever uses
	// it takes it out, so that parallel reads never share it.
	last atomic.Pointer[heldFrame]
}

// heldFrame is a proven frame in a pooled buffer.
type heldFrame struct {
	number int
	buffer *[frameSize]byte
}

// newReader finds out where the frames are.
func newReader(s *Store, id blob.ID, f file) (*reader, error) {
	r := &reader{store: s, id: id, file: f}
	stat, err := f.Stat()
	if err != nil {
		return nil, readFault(id, err)
	}
	ok, err := r.loadIndex(stat.Size())
	if err != nil {
		return nil, err
	}
	if ok {
		return r, nil
	}
	if err := r.walk(); err != nil {
		return nil, err
	}
	s.log.Warn("the index of a blob is damaged; its frames are whole", "blob", string(id))
	return r, nil
}

// loadIndex reads index and footer; it is not ok if they are damaged.
func (r *reader) loadIndex(fileSize int64) (ok bool, err error) {
	if fileSize < int64(len(magic))+headSize+4+footerSize {
		return false, nil
	}
	var room [512]byte // enough for blobs up to 7 MB
	tail := room[:min(int64(len(room)), fileSize)]
	if err := r.readFull(tail, fileSize-int64(len(tail))); err != nil {
		return false, err
	}
	size, ok := parseFooter(tail[len(tail)-footerSize:], fileSize)
	if !ok {
		return false, nil
	}
	// parseFooter has made sure that the file is longer than this.
	endSize := 4*frameCount(size) + footerSize
	end := tail[max(0, int64(len(tail))-endSize):]
	if int64(len(end)) < endSize {
		end = make([]byte, endSize)
		if err := r.readFull(end, fileSize-endSize); err != nil {
			return false, err
		}
	}
	r.size = size
	r.offsets, ok = parseEnd(end, r.id, fileSize)
	return ok, nil
}

// walk finds the frames without the index, by reading and proving all of them.
func (r *reader) walk() error {
	buffer := r.store.codec.stored.Get().(*[outSize]byte)
	defer r.store.codec.stored.Put(buffer)
	if err := r.readFull(buffer[:len(magic)], 0); err != nil {
		return err
	}
	if string(buffer[:len(magic)]) != magic {
		return r.corrupt("it is no blob's file")
	}
	r.size, r.offsets = 0, nil
	at := int64(len(magic))
	for {
		if err := r.readFull(buffer[:headSize], at); err != nil {
			return err
		}
		h, ok := parseFrameHead(buffer[:headSize])
		if !ok {
			return r.corrupt("index and frames are damaged")
		}
		frame := buffer[:headSize+h.stored]
		if err := r.readFull(frame, at); err != nil {
			return err
		}
		if _, _, ok := parseFrame(frame, r.id, len(r.offsets)); !ok {
			return r.corrupt("index and frames are damaged")
		}
		r.offsets = append(r.offsets, at)
		r.size += int64(h.raw)
		at += int64(len(frame))
		if h.final {
			r.offsets = append(r.offsets, at)
			return nil
		}
	}
}

func (r *reader) Size() int64 { return r.size }

func (r *reader) ReadAt(p []byte, at int64) (n int, err error) {
	if at < 0 {
		return 0, fault.New(fault.Invalid, "fsblob: blob %s: negative offset %d", r.id, at)
	}
	for n < len(p) && at < r.size {
		number, within := int(at/frameSize), int(at%frameSize)
		var step int
		if raw := r.rawSize(number); within == 0 && len(p)-n >= raw {
			step, err = raw, r.decode(number, p[n:n+raw])
		} else {
			step, err = r.part(p[n:], number, within)
		}
		if err != nil {
			return n, err
		}
		n += step
		at += int64(step)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// rawSize is the number of the blob's bytes that a frame stands for.
func (r *reader) rawSize(number int) int {
	return int(min(frameSize, r.size-int64(number)*frameSize))
}

// part copies from one frame, which it keeps for the next read: those who read
// from one end to the other in small pieces decode each frame once.
func (r *reader) part(p []byte, number, within int) (int, error) {
	held := r.last.Swap(nil)
	if held == nil {
		held = &heldFrame{number: -1, buffer: r.store.codec.raw.Get().(*[frameSize]byte)}
	}
	defer r.hold(held)
	raw := held.buffer[:r.rawSize(number)]
	if held.number != number {
		held.number = -1
		if err := r.decode(number, raw); err != nil {
			return 0, err
		}
		held.number = number
	}
	return copy(p, raw[within:]), nil
}

// hold keeps a frame in place of the one that is kept.
func (r *reader) hold(held *heldFrame) {
	if old := r.last.Swap(held); old != nil {
		r.store.codec.raw.Put(old.buffer)
	}
}

// decode reads a frame, proves it and fills dst, which has its size.
func (r *reader) decode(number int, dst []byte) error {
	buffer := r.store.codec.stored.Get().(*[outSize]byte)
	defer r.store.codec.stored.Put(buffer)
	frame := buffer[:r.offsets[number+1]-r.offsets[number]]
	if err := r.readFull(frame, r.offsets[number]); err != nil {
		return err
	}
	h, data, ok := parseFrame(frame, r.id, number)
	switch {
	case !ok:
		return r.corrupt("bytes %d to %d do not match their checksum", int64(number)*frameSize, int64(number)*frameSize+int64(len(dst)))
	case h.raw != len(dst) || h.final != (number == len(r.offsets)-2):
		return r.corrupt("frame %d is not what the index says", number)
	case !h.zstd:
		copy(dst, data)
	case !r.store.codec.expand(dst, data):
		return r.corrupt("frame %d does not expand", number)
	}
	return nil
}

func (r *reader) corrupt(format string, args ...any) error {
	return fault.New(fault.Corrupt, "fsblob: blob %s: "+format, append([]any{r.id}, args...)...)
}

func (r *reader) readFull(p []byte, at int64) error {
	if n, err := r.file.ReadAt(p, at); n < len(p) {
		return readFault(r.id, err)
	}
	return nil
}

func (r *reader) Close() error {
	if held := r.last.Swap(nil); held != nil {
		r.store.codec.raw.Put(held.buffer)
	}
	if err := r.file.Close(); err != nil {
		return readFault(r.id, err)
	}
	return nil
}
