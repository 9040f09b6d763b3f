package inbound

import (
	"bytes"
	"strings"

	"posthorn/internal/message"
)

// hops counts the Received fields of a header, and those among them that this server
// has written. Who forges ours keeps only his own message from being taken.
func hops(header []byte, hostname string) (all, ours int) {
	for f := range message.Fields(header) {
		if bytes.EqualFold(f.Name, []byte("Received")) {
			all++
			if strings.EqualFold(string(receivedBy(f.Value)), hostname) {
				ours++
			}
		}
	}
	return all, ours
}

// receivedBy is the host that a Received field says was handed the message (RFC 5321
// §4.4, By-domain): the word behind "by", outside of comments.
func receivedBy(value []byte) []byte {
	depth, by := 0, false
	for word := range bytes.FieldsSeq(value) {
		if by {
			return bytes.TrimRight(word, ";")
		}
		by = depth == 0 && bytes.EqualFold(word, []byte("by"))
		depth += bytes.Count(word, []byte("(")) - bytes.Count(word, []byte(")"))
	}
	return nil
}
