package imapd

import (
	"context"
	"fmt"
	"testing"

	"posthorn/internal/store"
)

// BenchmarkMailboxes lists an account of 10,000 mailboxes.
func BenchmarkMailboxes(b *testing.B) {
	w := benchWorld(b, 0)
	for folder := range 100 {
		err := w.account("alice").Update(context.Background(), func(tx *store.Tx) error {
			for i := range 100 {
				if _, err := tx.CreateMailbox(fmt.Sprintf("folder %d/mailbox %d", folder, i), ""); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, bench := range []struct{ name, command string }{
		{"List", `LIST "" *`},
		{"ListTop", `LIST "" %`},
		{"ListStatus", `LIST "" * RETURN (SUBSCRIBED STATUS (MESSAGES UNSEEN))`},
		{"Status", `STATUS "folder 50/mailbox 50" (MESSAGES UNSEEN)`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c := w.benchClient(b)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				c.do(b, bench.command)
			}
		})
	}
}
