package memblob

import (
	"testing"

	"posthorn/internal/blob/blobtest"
)

func TestContract(t *testing.T) {
	blobtest.Run(t, func(testing.TB) *blobtest.Subject {
		current := New(Options{})
		s := &blobtest.Subject{Store: current}
		s.Crash = func(testing.TB) {
			current = current.Crash()
			s.Store = current
		}
		s.SetFree = func(n int64) { current.SetFree(n) }
		return s
	})
}
