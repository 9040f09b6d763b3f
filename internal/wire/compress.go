package wire

import (
	"bytes"
	"net"
	"sync"

	"posthorn/internal/fault"

	"github.com/klauspost/compress/flate"
)

// Compressed reports whether both directions are compressed.
func (c *Conn) Compressed() bool { return c.deflated != nil }

// Compress flushes, and goes over to DEFLATE in both directions, beneath the lines and
// above TLS (RFC 4978 §3). What the peer has sent already is compressed.
//
// All that bounds a peer bounds it after inflation: lines, literals, time. What is
// inflated is what there is room for in the buffer, so a little input that becomes much
// costs time only as it is used, like any other input.
func (c *Conn) Compress() error {
	if c.Compressed() {
		return fault.New(fault.Exists, "wire: the connection is compressed already")
	}
	if err := c.Flush(); err != nil {
		return err
	}
	c.deflated = &deflated{Conn: c.rw, raw: c.in, r: c.r, w: c.w}
	c.in, c.r, c.w = nil, 0, 0
	c.rw = c.deflated
	return nil
}

// deflated is a connection that carries a DEFLATE stream each way.
//
// A write ends where the peer can inflate all of it (a sync flush), and carries no state
// to the next, for the sake of memory: a compressor needs most of a megabyte, so it is
// borrowed, and given back before anything waits for the peer. Answers that are long
// enough for it to matter lose nothing, since they are written in large pieces.
type deflated struct {
	net.Conn // beneath

	in   inflater
	raw  []byte // compressed input, nil while there is none and no read under way
	r, w int    // raw[r:w] has not been inflated
}

// Read inflates. A read that a deadline ends can be repeated.
func (d *deflated) Read(p []byte) (int, error) {
	for {
		n, used, err := d.in.inflate(p, d.raw[d.r:d.w])
		d.r += used
		if n > 0 || len(p) == 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		if err := d.fill(); err != nil {
			return 0, err
		}
	}
}

// fill waits for compressed input; there is none left.
func (d *deflated) fill() error {
	if len(d.raw) != bufferSize {
		d.raw = getBuffer()
	}
	n, err := d.Conn.Read(d.raw)
	if d.r, d.w = 0, n; n > 0 {
		return nil
	}
	putBuffer(d.raw)
	d.raw, d.w = nil, 0
	return err
}

// deflatePiece is how much is compressed at a time: what is held while a peer does not
// read.
const deflatePiece = 64 << 10

// compressors are for all connections to borrow; the results, too, since what waits to
// be read by a peer must not keep its compressor.
var (
	compressors = sync.Pool{New: func() any {
		w, _ := flate.NewWriter(nil, flate.BestSpeed) // it fails for levels that there are not
		return w
	}}
	results = sync.Pool{New: func() any { return new(bytes.Buffer) }}
)

// Write deflates and sends all of p.
func (d *deflated) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		piece := p[:min(len(p), deflatePiece)]
		out := results.Get().(*bytes.Buffer)
		out.Reset()
		if err = deflateTo(out, piece); err == nil {
			_, err = d.Conn.Write(out.Bytes())
		}
		results.Put(out)
		if err != nil {
			return written, err
		}
		written += len(piece)
		p = p[len(piece):]
	}
	return written, nil
}

// deflateTo compresses a piece with a borrowed compressor.
func deflateTo(out *bytes.Buffer, piece []byte) error {
	w := compressors.Get().(*flate.Writer)
	defer compressors.Put(w)
	w.Reset(out)
	if _, err := w.Write(piece); err != nil {
		return err
	}
	return w.Flush()
}
