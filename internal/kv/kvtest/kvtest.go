// Package kvtest is the contract of kv as a test suite, run by every engine.
//
// An engine's own test provides Subjects and calls Run; everything here goes
// through kv.Engine only. The functions given to Update and View set their results
// at their start, so that the suite also fits engines that run them again.
package kvtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Subject is an engine under test, at first empty.
type Subject interface {
	// Engine is the engine as it stands; another one after Crash.
	Engine() kv.Engine
	// Crash ends the engine as a loss of power or a kill would, at whatever moment
	// it is called, and opens a new one on what that left behind. Updates under
	// way on the old engine may fail or succeed, but do not hang.
	Crash(t *testing.T)
	// RoundTrips is how often the engine has asked its storage over the network
	// and waited for the answer; counted is false if there is no network.
	RoundTrips() (n int64, counted bool)
}

// Run tests that what open provides is a kv.Engine. Each call of open makes a
// new Subject that shares nothing with the others and cleans up with its t.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, each := range []struct {
		name string
		test func(t *testing.T, s Subject)
	}{
		{"Get", testGet},
		{"GetEach", testGetEach},
		{"EmptyKeysAndValues", testEmpty},
		{"ArgumentsAreCopied", testArgumentsAreCopied},
		{"Order", testOrder},
		{"Bounds", testBounds},
		{"Reverse", testReverse},
		{"Limit", testLimit},
		{"PrefixUpToFF", testPrefix},
		{"LargeScan", testLargeScan},
		{"LargeValues", testLargeValues},
		{"NeighbourShards", testNeighbours},
		{"BadShards", testBadShards},
		{"OwnWrites", testOwnWrites},
		{"OwnDeleteRange", testOwnDeleteRange},
		{"LargeDeleteRange", testLargeDeleteRange},
		{"Atomic", testAtomic},
		{"ErrorRollsBack", testErrorRollsBack},
		{"PanicRollsBack", testPanicRollsBack},
		{"ViewIsASnapshot", testViewIsASnapshot},
		{"ViewSeesReturnedUpdates", testViewSeesReturnedUpdates},
		{"ViewErrorIsReturned", testViewError},
		{"ViewIsNotBlockedByUpdate", testViewNotBlocked},
		{"OtherShardsAreNotBlocked", testOtherShardsNotBlocked},
		{"ReadOnlyUpdate", testReadOnlyUpdate},
		{"CanceledBeforehand", testCanceledBeforehand},
		{"CanceledInScan", testCanceledInScan},
		{"CanceledWaiting", testCanceledWaiting},
		{"CanceledInUpdate", testCanceledInUpdate},
		{"ConflictStorm", testConflictStorm},
		{"TransfersKeepTheSum", testTransfers},
		{"Watch", testWatch},
		{"WatchLeadsToTheNews", testWatchLeadsToNews},
		{"Shards", testShards},
		{"Closed", testClosed},
		{"CrashKeepsWhatReturned", testCrashKeeps},
		{"CrashUnderWay", testCrashUnderWay},
		{"ReadersSeeOnlyTheDurable", testReadersSeeDurable},
		{"RoundTrips", testRoundTrips},
		{"Model", testModel},
	} {
		t.Run(each.name, func(t *testing.T) { each.test(t, open(t)) })
	}
}

// patience is how long anything may take that must not wait for something else.
const patience = 20 * time.Second

var errOnPurpose = errors.New("kvtest: on purpose")

// The functions below report what goes wrong and come back, so that they may be
// called from any goroutine; ok says whether all was well.

// update runs fn on one shard.
func update(t testing.TB, s Subject, shard kv.Shard, fn func(w kv.Writer) error) (ok bool) {
	t.Helper()
	err := s.Engine().Update(t.Context(), []kv.Shard{shard}, func(tx kv.Tx) error { return fn(tx.In(shard)) })
	if err != nil {
		t.Errorf("Update of %s: %v", shard, err)
	}
	return err == nil
}

// put stores keys and values, given in turn, in one shard.
func put(t testing.TB, s Subject, shard kv.Shard, keysAndValues ...string) (ok bool) {
	t.Helper()
	return update(t, s, shard, func(w kv.Writer) error { return putAll(w, keysAndValues...) })
}

func putAll(w kv.Writer, keysAndValues ...string) error {
	for i := 0; i < len(keysAndValues); i += 2 {
		if err := w.Put([]byte(keysAndValues[i]), []byte(keysAndValues[i+1])); err != nil {
			return err
		}
	}
	return nil
}

func view(t testing.TB, s Subject, shard kv.Shard, fn func(r kv.Reader) error) (ok bool) {
	t.Helper()
	err := s.Engine().View(t.Context(), shard, fn)
	if err != nil {
		t.Errorf("View of %s: %v", shard, err)
	}
	return err == nil
}

// row is a key and its value, as a test compares them.
type row struct{ key, value string }

func (r row) String() string { return fmt.Sprintf("%q=%q", r.key, r.value) }

// rows is what a scan gives.
func rows(r kv.Reader, which kv.Range) ([]row, error) {
	var all []row
	err := r.Scan(which, func(key, value []byte) bool {
		all = append(all, row{string(key), string(value)})
		return true
	})
	return all, err
}

// pairs makes rows of keys and values given in turn.
func pairs(keysAndValues ...string) []row {
	var all []row
	for i := 0; i < len(keysAndValues); i += 2 {
		all = append(all, row{keysAndValues[i], keysAndValues[i+1]})
	}
	return all
}

// all is what a View finds in a shard.
func all(t testing.TB, s Subject, shard kv.Shard) (found []row) {
	t.Helper()
	view(t, s, shard, func(r kv.Reader) (err error) {
		found, err = rows(r, kv.Range{})
		return err
	})
	return found
}

// want compares what a shard holds with keys and values given in turn.
func want(t testing.TB, s Subject, shard kv.Shard, keysAndValues ...string) (ok bool) {
	t.Helper()
	return equal(t, fmt.Sprintf("shard %s", shard), all(t, s, shard), pairs(keysAndValues...))
}

func equal(t testing.TB, what string, got, want []row) (ok bool) {
	t.Helper()
	if err := differ(got, want); err != nil {
		t.Errorf("%s: %v", what, err)
		return false
	}
	return true
}

// differ describes the first difference.
func differ(got, want []row) error {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Errorf("%d rows, but %.200v and more are missing", len(got), want[i])
		case i >= len(want):
			return fmt.Errorf("%d rows where %d are due, the first too many is %.200v", len(got), len(want), got[i])
		case got[i] != want[i]:
			return fmt.Errorf("row %d is %.200v, not %.200v", i, got[i], want[i])
		}
	}
	return nil
}

func wantKind(t testing.TB, what string, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s: got error %v, want one of kind %q", what, err, kind)
	}
}

// within ends the test unless done is closed soon: something waits that must not.
func within(t testing.TB, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s: still waiting after %v", what, patience)
	}
}

// started runs fn in a goroutine and gives a channel that is closed at its end.
func started(fn func()) (done <-chan struct{}) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		fn()
	}()
	return ended
}

// count adds one to the number at key and gives the new one.
func count(w kv.Writer, key string) (uint64, error) {
	n, err := counter(w, key)
	if err != nil {
		return 0, err
	}
	return n + 1, w.Put([]byte(key), number(n+1))
}

// counter is the number at key, at first 0.
func counter(r kv.Reader, key string) (uint64, error) {
	value, ok, err := r.Get([]byte(key))
	if err != nil || !ok {
		return 0, err
	}
	var n uint64
	_, err = fmt.Sscanf(string(value), "%d", &n)
	return n, err
}

func number(n uint64) []byte { return fmt.Appendf(nil, "%d", n) }

// counterIn is a counter as a View sees it.
func counterIn(ctx context.Context, e kv.Engine, shard kv.Shard, key string) (n uint64, err error) {
	err = e.View(ctx, shard, func(r kv.Reader) error {
		n, err = counter(r, key)
		return err
	})
	return n, err
}
