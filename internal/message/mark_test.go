package message

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
)

var errFull = errors.New("full")

// limitedWriter takes so many bytes, and what comes with the last of them.
type limitedWriter struct {
	bytes.Buffer
	left int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	l.Buffer.Write(p)
	if l.left -= len(p); l.left <= 0 {
		return len(p), errFull
	}
	return len(p), nil
}

// Decoding goes on from any mark as if it had never stopped.
func TestTransferMarks(t *testing.T) {
	plain := []byte(strings.Repeat("A line = with \xff and blanks \t\nand another\r\none\r", 3000))
	var qp bytes.Buffer
	w := quotedprintable.NewWriter(&qp)
	_, _ = w.Write(plain)
	_ = w.Close()
	digits := base64.StdEncoding.EncodeToString(plain)
	for name, body := range map[string]string{
		"base64": strings.Join(strings.SplitAfter(digits, "A"), "\r\n"), "quoted-printable": qp.String(), "8bit": string(plain),
	} {
		for _, text := range []bool{false, true} {
			transfer := Transfer{Encoding: name, Text: text}
			src := io.NewSectionReader(strings.NewReader(body), 0, int64(len(body)))
			var whole bytes.Buffer
			if _, err := transfer.Copy(&whole, src, Mark{}, 0); err != nil {
				t.Fatal(err)
			}
			var mark Mark
			for at := int64(0); at < int64(whole.Len()); at += 7001 {
				found, err := transfer.Copy(&limitedWriter{left: int(at - mark.Decoded)}, src, mark, at)
				if err != nil && !errors.Is(err, errFull) {
					t.Fatal(err)
				}
				if mark = found; mark.Decoded > at || at-mark.Decoded > 2*transferBuffer {
					t.Fatalf("%s, text %v: the mark for %d is at %d", name, text, at, mark.Decoded)
				}
				var rest bytes.Buffer
				if _, err := transfer.Copy(&rest, src, mark, 0); err != nil || !bytes.Equal(rest.Bytes(), whole.Bytes()[mark.Decoded:]) {
					t.Fatalf("%s, text %v: from %d on it goes on with %.40q (%v)", name, text, mark.Decoded, rest.Bytes(), err)
				}
			}
		}
	}
}
