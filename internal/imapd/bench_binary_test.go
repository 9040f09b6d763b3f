package imapd

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime/quotedprintable"
	"testing"

	"posthorn/internal/message"
	"posthorn/internal/store"
)

// BenchmarkBinaryPieces reads a large part in pieces of 64 KB. A piece costs the same in a
// part of 5 MB and in one of 50.
func BenchmarkBinaryPieces(b *testing.B) {
	const piece = 64 << 10
	for _, encoding := range []string{"base64", "quoted-printable"} {
		for _, size := range []int{5 << 20, 50 << 20} {
			b.Run(fmt.Sprintf("%s/%dMB", encoding, size>>20), func(b *testing.B) {
				w := benchWorld(b, 0)
				w.appendEncoded(b, encoding, size)
				c := w.benchClient(b)
				b.SetBytes(int64(size))
				for b.Loop() {
					for at := 0; at < size; at += piece {
						c.do(b, fmt.Sprintf("FETCH 1 BINARY.PEEK[1]<%d.%d>", at, piece))
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*(size/piece)), "us/piece")
			})
		}
	}
}

// appendEncoded puts a message with one encoded part of this size into alice's INBOX.
func (w *world) appendEncoded(tb testing.TB, encoding string, size int) {
	in := w.store.NewIncoming(tb.Context())
	out := message.NewCRLFWriter(in)
	fmt.Fprintf(out, "Content-Type: application/octet-stream\nContent-Transfer-Encoding: %s\n\n", encoding)
	data := bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvwxyz=\xff"), size/38+1)[:size]
	if encoding == "base64" {
		for rest := data; len(rest) > 0; {
			n := min(57, len(rest))
			io.WriteString(out, base64.StdEncoding.EncodeToString(rest[:n])+"\n")
			rest = rest[n:]
		}
	} else {
		qp := quotedprintable.NewWriter(out)
		_, _ = qp.Write(data)
		_ = qp.Close()
	}
	m, err := in.Finish()
	if err != nil {
		tb.Fatal(err)
	}
	defer m.Release()
	err = w.account("alice").Update(tb.Context(), func(tx *store.Tx) error {
		_, err := tx.Append(store.InboxID, m, store.AppendOptions{})
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}
