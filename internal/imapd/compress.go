package imapd

import (
	"context"
	"strings"
)

// compress is COMPRESS (RFC 4978 §3). The OK is the last that is said uncompressed.
func (s *session) compress(_ context.Context, c *command) error {
	var mechanism string
	if !s.dec.SP() || !s.dec.Atom(&mechanism) || !s.dec.End() {
		return s.syntax()
	}
	if !strings.EqualFold(mechanism, "DEFLATE") {
		return bad("DEFLATE is the only mechanism")
	}
	if s.conn.Compressed() {
		return errCompressed
	}
	s.dec.Release()
	s.line(c.tag, " OK DEFLATE begins now")
	if s.readErr = s.conn.Compress(); s.readErr != nil {
		return s.readErr
	}
	c.replied = true
	return nil
}

var errCompressed = no("COMPRESSIONACTIVE", "The connection is compressed already")

func (s *session) mayCompress() bool { return !s.conn.Compressed() }
