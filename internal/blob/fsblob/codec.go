package fsblob

import (
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// codec compresses and expands single frames, and owns the buffers for that. It
// is shared by all blobs of a store.
type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
	raw     sync.Pool // *[frameSize]byte: a frame as the blob has it
	stored  sync.Pool // *[outSize]byte: frames as the file has them
}

// outSize is a writer's room for what goes to the file next: nearly a frame that
// waits, the frame that is added, and what zstd adds to it when it cannot shrink it.
const outSize = 2*maxStored + 1024

func newCodec() (*codec, error) {
	// Level 1 at 640 MB/s: a few per cent of disk more are not worth the CPU. Entropy coding
	// of literals takes the quarter off base64 that its encoding added, at 1 GB/s; without
	// it this level lets attachments, most of all mail by volume, pass as they are.
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(frameSize),
		zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true), zstd.WithAllLitEntropyCompression(true), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, err
	}
	// What a frame expands to is at most the room that it is given.
	decoder, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(frameSize), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	return &codec{
		encoder: encoder, decoder: decoder,
		raw:    sync.Pool{New: func() any { return new([frameSize]byte) }},
		stored: sync.Pool{New: func() any { return new([outSize]byte) }},
	}, nil
}

// compress appends p to dst, compressed if that saves a tenth.
func (c *codec) compress(dst, p []byte) (out []byte, paid bool) {
	from := len(dst)
	out = c.encoder.EncodeAll(p, dst)
	if len(out)-from <= len(p)-len(p)/10 {
		return out, true
	}
	return append(dst, p...), false
}

// expand fills dst with what p was made from; it is false if that is not exactly
// what p holds.
func (c *codec) expand(dst, p []byte) bool {
	out, err := c.decoder.DecodeAll(p, dst[:0:len(dst)])
	return err == nil && len(out) == len(dst)
}

// sampler spares the work of compressing where it does not pay: after a frame that
// did not shrink it lets 1, 3, 7, then 15 frames pass before it tries again.
type sampler struct{ skip, interval int }

// try says whether to try the next frame.
func (s *sampler) try() bool {
	if s.skip > 0 {
		s.skip--
		return false
	}
	return true
}

// learn takes the outcome of a try.
func (s *sampler) learn(paid bool) {
	if paid {
		s.interval = 0
		return
	}
	s.interval = min(2*s.interval+1, 15)
	s.skip = s.interval
}
